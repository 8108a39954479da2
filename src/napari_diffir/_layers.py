"""Between napari's layers and the core's stacks; no Qt here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

_LETTERS = {
    "t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "channels": "C",
    "z": "Z", "depth": "Z", "y": "Y", "row": "Y", "x": "X", "column": "X",
}  # fmt: skip
_UNNAMED = re.compile(r"(axis )?-?\d+")
_BY_DIMENSIONS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_SHARED = ("contrast_limits", "colormap", "gamma", "blending", "opacity")
_SPATIAL = ("rotate", "shear", "affine", "units", "axis_labels")


def full_resolution(layer: Image) -> Any:
    """Give the array of a layer; of a multiscale one, its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def axes_of(layer: Image) -> tuple[str, bool]:
    """Give the axes of a layer's array, and whether they had to be guessed.

    They are read from the layer's axis labels; napari's own defaults name nothing.
    """
    labels = [str(label).strip().lower() for label in layer.axis_labels]
    letters = [_LETTERS.get(label) for label in labels]
    named = "".join(letter for letter in letters if letter)
    samples = "S" if layer.rgb else ""
    if len(named) == len(labels) and len(set(named)) == len(named):
        return named + samples, False
    return _BY_DIMENSIONS.get(layer.ndim, "") + samples, True


def has_default_labels(layer: Image) -> bool:
    """Tell whether napari named the axes itself."""
    return all(_UNNAMED.fullmatch(str(label)) for label in layer.axis_labels)


def result_arguments(layer: Image, scale: int) -> dict[str, Any]:
    """Give what the restored layer has in common with its source.

    Super-resolution by `scale` shrinks the pixels along the last two axes and moves
    the first one's centre accordingly.
    """
    arguments = {name: getattr(layer, name) for name in _SPATIAL}
    size, position = layer.scale.copy(), layer.translate.copy()
    size[-2:] /= scale
    position[-2:] -= (layer.scale[-2:] - size[-2:]) / 2
    arguments |= {"scale": size, "translate": position, "rgb": layer.rgb}
    if not layer.rgb:
        arguments |= {name: getattr(layer, name) for name in _SHARED}
    return arguments | {"name": f"{layer.name} restored"}


def looks_of(layer: Image) -> dict[str, Any]:
    """Give how a layer looks, wherever it is."""
    return {} if layer.rgb else {name: getattr(layer, name) for name in _SHARED}


def position_in(layer: Image, viewer: napari.Viewer) -> dict[str, int]:
    """Give the indices of a layer that are in view by axis letter, Y and X apart.

    Axes without names have no letter, and are left out.
    """
    point = layer.world_to_data(viewer.dims.point)
    letters = (_LETTERS.get(str(label).lower()) for label in layer.axis_labels)
    found = zip(letters, point, strict=False)
    return {axis: round(float(i)) for axis, i in found if axis and axis not in "YX"}
