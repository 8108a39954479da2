"""A worker of napari that ends its generator in its own thread."""

from __future__ import annotations

from typing import Any

from napari.qt.threading import GeneratorWorker


class ClosingWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc]
    """Closes its generator when it is told to quit.

    napari's own leaves it to the garbage collector. When the viewer is closed, napari
    tells its workers to quit and waits for them; a training then keeps a checkpoint.
    """

    def work(self) -> Any:
        """Run the generator to its end, or close it."""
        try:
            return super().work()
        finally:
            self._gen.close()
