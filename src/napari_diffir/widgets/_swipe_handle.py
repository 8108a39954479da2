"""The divider of the swipe view, dragged on the canvas."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari_diffir._ipr_layers import drawn_preview
from napari_diffir._layers import index_at, unit_sizes

if TYPE_CHECKING:
    import napari

    from napari_diffir._ipr_state import IPRState

_NEAR_PIXELS = 8
"""Of the screen."""


class SwipeHandle:
    """Takes the mouse while it drags the divider, and lets it pan everywhere else."""

    def __init__(self, viewer: napari.Viewer, state: IPRState) -> None:
        self._viewer, self._state = viewer, state
        self._is_near = False
        viewer.mouse_drag_callbacks.append(self._drag)
        viewer.mouse_move_callbacks.append(self._hover)

    def leave(self) -> None:
        """Leave the mouse to the viewer."""
        self._viewer.mouse_drag_callbacks.remove(self._drag)
        self._viewer.mouse_move_callbacks.remove(self._hover)

    def _drag(self, viewer: napari.Viewer, event: Any) -> Generator[None, None, None]:
        camera = viewer.scene.camera
        if not camera.mouse_pan or not self._is_at_divider(event):
            return  # Another widget's handle, or a tool, has the mouse.
        camera.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                place = self._place(event)
                if place is not None:
                    self._state.divider = min(max(place[1], 0.0), 1.0)
                event.handled = True
                yield
        finally:
            camera.mouse_pan = True

    def _hover(self, viewer: napari.Viewer, event: Any) -> None:
        """Show by the cursor that the divider can be taken."""
        is_near = self._is_at_divider(event)
        if is_near != self._is_near:
            self._is_near = is_near
            viewer.cursor.style = "pointing" if is_near else "standard"

    def _is_at_divider(self, event: Any) -> bool:
        place = self._place(event)
        if place is None:
            return False
        row, column, pixels = place
        away = abs(column - self._state.divider) * pixels
        return 0 <= row <= 1 and away <= _NEAR_PIXELS

    def _place(self, event: Any) -> tuple[float, float, float] | None:
        """Give row and column of the mouse as shares, and the preview's width.

        The shares are those of the preview's height and width; the width is that on
        the screen, in pixels.
        """
        look, layer = self._state.preview, drawn_preview(self._viewer)
        if self._state.view != "swipe" or look is None or layer is None:
            return None
        point = index_at(layer, self._viewer, event.position)
        row, column = (look.plane.axes.index(axis) for axis in "YX")
        height, width = layer.data.shape[row], layer.data.shape[column]
        size = layer.scale[column] / unit_sizes(layer, self._viewer)[column]
        pixels = width * abs(float(size)) * self._viewer.scene.camera.zoom
        return (point[row] + 0.5) / height, (point[column] + 0.5) / width, pixels
