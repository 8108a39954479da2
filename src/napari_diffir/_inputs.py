"""Which layers are images to work on, the same for every widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image

from napari_diffir._filling_layer import UNFINISHED_KEY
from napari_diffir._ipr_layers import is_drawn

if TYPE_CHECKING:
    import napari


def images_in(viewer: napari.Viewer) -> list[Image]:
    """Give the image layers of a viewer, from below."""
    return [layer for layer in viewer.layers if isinstance(layer, Image)]


def is_input(layer: Image) -> bool:
    """Tell of an image that it is neither a picture of ours nor unfinished."""
    return not is_drawn(layer) and UNFINISHED_KEY not in layer.metadata
