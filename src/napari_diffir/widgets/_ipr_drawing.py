"""Keeps the layers of a viewer as the state of the IPR controls has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_diffir._ipr_layers import RegionPainter

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_diffir._ipr_state import IPRState


class IPRDrawing:
    """Draws previews and deviations beside the layer that `layer_of` gives."""

    def __init__(
        self,
        viewer: napari.Viewer,
        state: IPRState,
        layer_of: Callable[[], Image | None],
    ) -> None:
        self._state, self._layer_of = state, layer_of
        self._painter = RegionPainter(viewer)
        events = state.events
        for event in (events.preview, events.view, events.divider):
            event.connect(self._draw_preview)
        events.spread.connect(self._draw_spread)
        events.unsure_share.connect(self._draw_mask)

    def leave(self) -> None:
        """Stop following the state."""
        events = self._state.events
        for event in (events.preview, events.view, events.divider):
            event.disconnect(self._draw_preview)
        events.spread.disconnect(self._draw_spread)
        events.unsure_share.disconnect(self._draw_mask)

    def _draw_preview(self) -> None:
        state, layer = self._state, self._layer_of()
        if state.preview is None or layer is None:
            self._painter.hide_preview()
        else:
            self._painter.show_preview(layer, state.preview, state.view, state.divider)

    def _draw_spread(self) -> None:
        state, layer = self._state, self._layer_of()
        if state.spread is None or layer is None:
            self._painter.hide_spread()
        else:
            self._painter.show_spread(layer, state.spread, state.unsure_share)

    def _draw_mask(self) -> None:
        state, layer = self._state, self._layer_of()
        if state.spread is not None and layer is not None:
            self._painter.show_mask(layer, state.spread, state.unsure_share)
