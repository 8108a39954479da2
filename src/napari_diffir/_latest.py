"""A lane of work in which only the latest wish counts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import GeneratorWorker

from napari_diffir._scripting import Failure
from napari_diffir._worker import new_worker

Steps = Callable[[], Generator[Any, None, Any]]
Take = Callable[[Any], None]


class _PickyWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc]
    """Signals what is not None, and closes its generator when told to quit."""

    def work(self) -> Any:
        """Run the generator to its end, or close it."""
        try:
            for value in self._gen:
                if self.abort_requested:
                    return None
                if value is not None:
                    self.yielded.emit(value)
        finally:
            self._gen.close()
        return None


class LatestLane:
    """Does one piece of work at a time; a newer one takes the place of those before.

    All methods are for the viewer's thread, and so is what `take` gets: the values that
    the work yields but None, and a `Failure` if it fails. Nothing comes any more of
    work that was replaced or cancelled.
    """

    def __init__(self, idle: Callable[[], object] = lambda: None) -> None:
        self._idle = idle
        self._worker: Any = None
        self._next: tuple[Steps, Take] | None = None
        self._number = 0

    @property
    def is_busy(self) -> bool:
        """Whether a worker is still there."""
        return self._worker is not None

    def submit(self, steps: Steps, take: Take) -> None:
        """Do this instead of whatever is under way."""
        self._number += 1
        self._next = steps, take
        if self._worker is None:
            self._begin()
        else:
            self._worker.quit()

    def cancel(self) -> None:
        """Do nothing more."""
        self._number += 1
        self._next = None
        if self._worker is not None:
            self._worker.quit()

    def _begin(self) -> None:
        if self._next is None:
            return
        (steps, take), self._next = self._next, None
        number = self._number

        def pass_on(value: Any) -> None:
            if number == self._number:
                take(value)

        self._worker = new_worker(_guarded, steps, kind=_PickyWorker)
        self._worker.yielded.connect(pass_on)
        self._worker.finished.connect(self._end)
        self._worker.start()

    def _end(self) -> None:
        self._worker = None
        self._begin()
        if self._worker is None:
            self._idle()


def _guarded(steps: Steps) -> Generator[Any, None, None]:
    """Turn an error into a value: napari answers that of a worker with its own."""
    try:
        yield from steps()
    except Exception as error:
        yield Failure(error)
