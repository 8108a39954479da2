"""Keeps the layers of a viewer as the state of the IPR controls has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_diffir._ipr_layers import RegionPainter, is_preview_taken
from napari_diffir._layers import LOOKS, PLACE, full_resolution

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_diffir._ipr_session import IPRSession


class IPRDrawing:
    """Draws previews and deviations beside the layer that `layer_of` gives."""

    def __init__(
        self,
        viewer: napari.Viewer,
        session: IPRSession,
        layer_of: Callable[[], Image | None],
    ) -> None:
        self._viewer, self._session, self._layer_of = viewer, session, layer_of
        self._state, self._painter = session.state, RegionPainter(viewer)
        self._followed: Image | None = None
        viewer.layers.events.removed.connect(self._see_removed)
        events = self._state.events
        for event in (events.preview, events.view, events.divider):
            event.connect(self._draw_preview)
        events.spread.connect(self._draw_spread)
        events.unsure_share.connect(self._draw_mask)

    def leave(self) -> None:
        """Stop following the state, the viewer and the layer."""
        self._follow(None)
        self._viewer.layers.events.removed.disconnect(self._see_removed)
        events = self._state.events
        for event in (events.preview, events.view, events.divider):
            event.disconnect(self._draw_preview)
        events.spread.disconnect(self._draw_spread)
        events.unsure_share.disconnect(self._draw_mask)

    def _source(self) -> Image | None:
        """Give the layer, unless the state tells of one in another viewer."""
        layer, image = self._layer_of(), self._state.image
        if layer is None or image is None or full_resolution(layer) is not image.data:
            return None
        return layer

    def _follow(self, layer: Image | None) -> None:
        """Have what is drawn follow a layer, instead of the one before."""
        before, self._followed = self._followed, layer
        if before is layer:
            return
        for name in (*PLACE, *LOOKS):
            if before is not None:
                getattr(before.events, name).disconnect(self._be_alike)
            if layer is not None:
                getattr(layer.events, name).connect(self._be_alike)

    def _be_alike(self, event: Any = None) -> None:
        state, layer = self._state, self._source()
        if layer is not None:
            self._painter.follow(layer, state.preview, state.spread)

    def _see_removed(self, event: Any) -> None:
        """Let a layer go, and leave off when a person takes the preview away."""
        if self._followed is not None and event.value == self._followed:
            self._follow(None)
        if is_preview_taken(event.value) and self._source() is not None:
            self._session.set_live(False)

    def _draw_preview(self) -> None:
        state, layer = self._state, self._source()
        self._follow(layer)
        if state.preview is None or layer is None:
            self._painter.hide_preview()
        else:
            self._painter.show_preview(layer, state.preview, state.view, state.divider)

    def _draw_spread(self) -> None:
        state, layer = self._state, self._source()
        self._follow(layer)
        if state.spread is None or layer is None:
            self._painter.hide_spread()
        else:
            self._painter.show_spread(layer, state.spread, state.unsure_share)

    def _draw_mask(self) -> None:
        state, layer = self._state, self._source()
        if state.spread is not None and layer is not None:
            self._painter.show_mask(layer, state.spread, state.unsure_share)
