"""Workers of napari that are waited for, and one for long runs."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Callable
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker


def new_worker(
    steps: Callable[..., Any],
    *arguments: Any,
    kind: type[GeneratorWorker[Any, Any, Any]] | None = None,
) -> Any:
    """Give a worker for a function, or of a kind for a generator; not started yet."""
    _wait_before_python_ends()
    if kind is None:  # A function: napari keeps its workers, and what they hold.
        steps, arguments = _Once(steps, arguments), ()
    return create_worker(steps, *arguments, _worker_class=kind, _start_thread=False)


class _Once:
    """A call that is made once; what it was made with is then let go."""

    def __init__(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None
        self._call = call, arguments
        self.__name__ = getattr(call, "__name__", "call")

    def __call__(self) -> Any:
        if self._call is None:
            raise RuntimeError("This worker has done its work.")
        (call, arguments), self._call = self._call, None
        return call(*arguments)


@functools.cache
def _wait_before_python_ends() -> None:
    """See to it that no thread outlives Python, whose signals would be gone.

    napari waits when its event loop ends; a script that closes the viewer without one
    would be aborted, by PyQt6 at once.
    """
    atexit.register(GeneratorWorker.await_workers)


class ClosingWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc]
    """Closes its generator at the end, however that comes.

    napari's own leaves it to the garbage collector, and keeps all workers for ever:
    threads and pixels of what was cancelled would stay.
    """

    def work(self) -> Any:
        """Run the generator to its end, or close it."""
        try:
            return super().work()
        finally:
            self._gen.close()


class QuietWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc]
    """Runs its generator to the end without a signal a step, and closes it on quit.

    When the viewer is closed, napari tells its workers to quit and waits for them; a
    training then keeps a checkpoint. What is yielded is not passed on: a signal a step
    would flood the viewer. The news of a run go by a queue instead.
    """

    def work(self) -> Any:
        """Run the generator to its end, or close it."""
        try:
            while not self.abort_requested:
                next(self._gen)
        except StopIteration as end:
            return end.value
        finally:
            self._gen.close()
        return None
