"""The layers that the IPR controls draw: preview, difference, spread, mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffir._ipr_dressing import dress, place_in
from napari_diffir._ipr_sight import on_axes, region_arguments
from napari_diffir._ipr_views import composed, symmetric_limits, unsure_mask

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from diffir_core.stacks.previewing import RegionPreview
    from napari_diffir._ipr_state import Spread, View

_ROLE = "diffir_role"
_PREVIEWS = {"preview": "DiffIR preview", "difference": "DiffIR difference"}
_SPREADS = {"spread": "DiffIR spread", "unsure": "DiffIR unsure"}
_LEAVING = "diffir_leaving"


def is_drawn(layer: Any) -> bool:
    """Tell whether a layer is one of ours, and no image to restore."""
    return _role_of(layer) is not None


def drawn_preview(viewer: napari.Viewer) -> Any:
    """Give the layer of the preview, or None."""
    return _find(viewer, "preview")


def is_preview_taken(layer: Any) -> bool:
    """Tell of a layer that left its viewer whether a person took a preview away."""
    return _role_of(layer) in _PREVIEWS and _LEAVING not in layer.metadata


def _find(viewer: napari.Viewer, role: str) -> Any:
    for layer in viewer.layers:
        if _role_of(layer) == role:
            return layer
    return None


def _role_of(layer: Any) -> str | None:
    """Give what a layer of ours shows; None for all others.

    napari copies metadata to duplicates, which are a person's own.
    """
    role, owner = layer.metadata.get(_ROLE, (None, None))
    return role if owner == layer.unique_id else None


class RegionPainter:
    """Draws regions into a viewer, each kind into a layer that is kept and renewed.

    Several painters of a viewer share the layers. To be used on the main thread.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer

    def show_preview(
        self, source: Image, look: RegionPreview, view: View, divider: float
    ) -> None:
        """Draw a preview at its place, as a view has it."""
        role = "difference" if view == "difference" else "preview"
        self._remove({"preview", "difference"} - {role})
        pixels, scale = composed(look, view, divider), _scale(look)
        looks = region_arguments(source, look.plane, look.region, scale)
        if role == "difference":
            looks |= {"colormap": "PiYG", "contrast_limits": symmetric_limits(pixels)}
            looks |= {"gamma": 1.0, "blending": "translucent", "opacity": 1.0}
        self._draw(role, _PREVIEWS[role], on_axes(pixels, look.plane), looks)

    def hide_preview(self) -> None:
        """Take the preview away."""
        self._remove(set(_PREVIEWS))

    def show_spread(self, source: Image, spread: Spread, share: float) -> None:
        """Draw the deviation of each pixel, and mark those that are least sure."""
        deviation, looks = spread.deviation, self._place_of(source, spread)
        top = float(np.percentile(deviation, 99.5)) or 1.0
        looks |= {"colormap": "magma", "contrast_limits": (0.0, top), "gamma": 1.0}
        looks |= {"blending": "additive", "opacity": 0.7}
        data = on_axes(deviation, spread.plane)
        self._draw("spread", _SPREADS["spread"], data, looks)
        self.show_mask(source, spread, share)

    def show_mask(self, source: Image, spread: Spread, share: float) -> None:
        """Mark the share of the pixels that are least sure."""
        marks = on_axes(unsure_mask(spread.deviation, share), spread.plane)
        looks = self._place_of(source, spread)
        if source.rgb:
            marks = marks.max(axis=-1)
        looks = place_in(looks) | {"opacity": 0.4}
        self._draw("unsure", _SPREADS["unsure"], marks, looks)

    def _place_of(self, source: Image, spread: Spread) -> dict[str, Any]:
        region = spread.region
        scale = spread.deviation.shape[2] // (region[3] - region[2])
        return region_arguments(source, spread.plane, region, scale)

    def follow(
        self, source: Image, look: RegionPreview | None, spread: Spread | None
    ) -> None:
        """Bring what is drawn to where its source is; a preview looks like it, too."""
        if look is not None:
            looks = region_arguments(source, look.plane, look.region, _scale(look))
            self._dress("preview", looks)
            self._dress("difference", place_in(looks))
        if spread is not None:
            place = place_in(self._place_of(source, spread))
            self._dress("spread", place)
            self._dress("unsure", place)

    def _dress(self, role: str, arguments: dict[str, Any]) -> None:
        layer = _find(self._viewer, role)
        if layer is not None:
            dress(layer, arguments)

    def hide_spread(self) -> None:
        """Take spread and mask away."""
        self._remove(set(_SPREADS))

    def _draw(self, role: str, name: str, data: Any, arguments: dict[str, Any]) -> None:
        layer = _find(self._viewer, role)
        if layer is None:
            self._add(role, data, arguments | {"name": name})
            self._dress(role, arguments)
            return
        if layer.data.shape == data.shape and layer.data.dtype == data.dtype:
            layer.data[...] = data
        else:
            layer.data = data
        dress(layer, arguments)
        layer.refresh()

    def _add(self, role: str, data: Any, arguments: dict[str, Any]) -> None:
        """Add a layer that knows itself, and leave the selection as it was."""
        from napari.layers import Image, Labels

        layer = (Labels if role == "unsure" else Image)(data.copy(), **arguments)
        layer.metadata = {_ROLE: (role, layer.unique_id)}
        selected = list(self._viewer.layers.selection)
        self._viewer.add_layer(layer)
        self._viewer.layers.selection = selected

    def _remove(self, roles: set[str]) -> None:
        for role in roles:
            layer = _find(self._viewer, role)
            if layer is not None:
                layer.metadata[_LEAVING] = True
                self._viewer.layers.remove(layer)


def _scale(look: RegionPreview) -> int:
    return int(look.restored.shape[2] // look.original.shape[2])
