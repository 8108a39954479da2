"""Between napari's layers and the core's stacks; no Qt here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

_LETTERS = {
    "t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "channels": "C",
    "z": "Z", "depth": "Z", "y": "Y", "row": "Y", "x": "X", "column": "X",
}  # fmt: skip
_UNNAMED = re.compile(r"(axis )?-?\d+")
_BY_DIMENSIONS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
LOOKS = ("contrast_limits", "colormap", "gamma", "blending", "opacity")
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


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


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a layer was and how it looked when it was asked; it may change since."""

    name: str
    axes: str
    """One letter a dimension of its array."""
    is_rgb: bool
    place: dict[str, Any]
    """Scale, translate and the rest of its place, units and labels."""
    looks: dict[str, Any]
    contrast_range: tuple[float, float]
    """Between which its contrast limits may be moved."""
    width: int
    """Of the layer, in pixels."""

    def at(self, index: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
        """Give the translation of a layer that begins at an index into this one."""
        from napari.utils.transforms import Affine

        turns = {name: self.place[name] for name in ("scale", "rotate", "shear")}
        turned = Affine(**turns, ndim=len(self.place["scale"]))
        moved: NDArray[Any] = self.place[
            "translate"
        ] + turned.linear_matrix @ np.asarray(index)
        return moved

    def arguments(self, scale: int) -> dict[str, Any]:
        """Give what the restored layer has in common with its source.

        Super-resolution by `scale` shrinks the pixels along Y and X, wherever they
        stand among the axes, and moves the first one's centre accordingly.
        """
        size = self.place["scale"].copy()
        finer = [axis in "YX" for axis in self.axes[: len(size)]]
        size[finer] /= scale
        # The centre of the first of the pixels that are made of one.
        first = np.where(finer, (1 / scale - 1) / 2, 0.0)
        moved = {"scale": size, "translate": self.at(first), "rgb": self.is_rgb}
        return self.place | moved | self.looks | {"name": f"{self.name} restored"}


def placement_of(layer: Image, axes: str | None = None) -> Placement:
    """Give place and looks of a layer as they are now; axes are its own if absent."""
    place = {name: getattr(layer, name) for name in PLACE}
    place |= {name: place[name].copy() for name in ("scale", "translate")}
    axes = (axes or axes_of(layer)[0]).upper()
    width = full_resolution(layer).shape[axes.find("X")]
    return Placement(
        layer.name,
        axes,
        layer.rgb,
        place,
        looks_of(layer),
        tuple(layer.contrast_limits_range),
        int(width),
    )


def result_arguments(
    layer: Image, scale: int, axes: str | None = None
) -> dict[str, Any]:
    """Give what the restored layer has in common with its source, as it is now."""
    return placement_of(layer, axes).arguments(scale)


def looks_of(layer: Image) -> dict[str, Any]:
    """Give how a layer looks, wherever it is; colours have no colormap."""
    names = [name for name in LOOKS if not (layer.rgb and name == "colormap")]
    return {name: getattr(layer, name) for name in names}


def unit_sizes(layer: Image, viewer: napari.Viewer) -> NDArray[Any]:
    """Give how many of a layer's units make one of the viewer's, axis by axis.

    napari shows layers of several units in the finest of them, as nm beside um, which
    its own `world_to_data` leaves out.
    """
    shown = viewer.dims.units
    if shown is None or len(shown) < layer.ndim:  # Units that do not go together.
        return np.ones(layer.ndim)
    pairs = zip(shown[-layer.ndim :], layer.units, strict=True)
    return np.array([float((1 * one).to(own).magnitude) for one, own in pairs])


def index_at(layer: Image, viewer: napari.Viewer, point: Any) -> NDArray[Any]:
    """Give where in a layer's array a point of the viewer's world is."""
    own = np.asarray(point, float)[-layer.ndim :] * unit_sizes(layer, viewer)
    return np.asarray(layer.world_to_data(own))


def position_in(layer: Image, viewer: napari.Viewer) -> dict[str, int]:
    """Give the indices of a layer that are in view by axis letter, Y and X apart.

    Axes without names have no letter, and are left out.
    """
    point = index_at(layer, viewer, viewer.dims.point)
    letters = (_LETTERS.get(str(label).lower()) for label in layer.axis_labels)
    found = zip(letters, point, strict=False)
    return {axis: round(float(i)) for axis, i in found if axis and axis not in "YX"}
