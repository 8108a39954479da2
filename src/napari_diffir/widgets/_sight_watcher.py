"""Tells when another plane or another part of it comes on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_diffir.widgets._parts import stop_timer

if TYPE_CHECKING:
    import napari

_QUIET_MILLISECONDS = 60


class SightWatcher:
    """Waits until the viewer is drawn and quiet for a moment; `changed` tells then."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._timer = QTimer()  # No child of a widget: it is stopped when that is gone.
        self._timer.setSingleShot(True)
        self._timer.setInterval(_QUIET_MILLISECONDS)
        self._timer.timeout.connect(self.changed.emit)
        for event in self._events():
            event.connect(self._start)

    def _events(self) -> tuple[Any, ...]:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        return (
            *(camera.zoom, camera.center),
            *(dims.current_step, dims.ndisplay, dims.order),
        )

    def _start(self, event: Any = None) -> None:
        self._timer.start()

    def look_soon(self) -> None:
        """Tell after the next quiet moment in any case."""
        self._timer.start()

    def leave(self) -> None:
        """Stop watching."""
        stop_timer(self._timer)
        for event in self._events():
            event.disconnect(self._start)
