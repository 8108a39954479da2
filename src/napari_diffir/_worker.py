"""A worker of napari for a long run: it closes its generator, and seldom signals."""

from __future__ import annotations

from typing import Any

from napari.qt.threading import GeneratorWorker


class QuietWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc]
    """Runs its generator to the end without a signal a step, and closes it on quit.

    napari's own leaves the generator to the garbage collector. When the viewer is
    closed, napari tells its workers to quit and waits for them; a training then keeps
    a checkpoint. What is yielded is not passed on: a signal a step would flood the
    viewer. The news of a run go by a queue instead.
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
