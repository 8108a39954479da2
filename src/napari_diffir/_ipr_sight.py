"""Which plane of a layer is on the screen, and which part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffir._ipr_state import ImageChoice, Sight
from napari_diffir._layers import (
    full_resolution,
    index_at,
    placement_of,
    unit_sizes,
)

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from diffir_core.stacks.axes import PlaneIndex
    from napari_diffir._ipr_choice import Region

_LEAST_PIXELS = 32


def image_of(layer: Image, axes: str) -> ImageChoice:
    """Give the array of a layer, with what is known of it."""
    path = str(layer.source.path or "")
    return ImageChoice(layer.name, full_resolution(layer), axes, path)


def layer_of(viewer: napari.Viewer, image: ImageChoice) -> Image | None:
    """Give the layer with an image's array; of several the one that has its name."""
    from napari.layers import Image

    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    same = [layer for layer in images if full_resolution(layer) is image.data]
    named = [layer for layer in same if layer.name == image.name]
    return next(iter(named + same), None)


def sight_of(viewer: napari.Viewer, layer: Image, axes: str) -> Sight | None:
    """Give what of a layer is on the screen; None unless its Y and X are shown."""
    shape = full_resolution(layer).shape
    offset = viewer.dims.ndim - layer.ndim
    shown = {i - offset for i in viewer.dims.displayed}
    if viewer.dims.ndisplay != 2 or shown != {axes.index("Y"), axes.index("X")}:
        return None
    here = index_at(layer, viewer, viewer.dims.point)
    position = [0] * len(shape)
    for axis in range(layer.ndim):
        position[axis] = int(np.clip(round(float(here[axis])), 0, shape[axis] - 1))
    for axis in shown:
        position[axis] = 0
    in_own_units = np.allclose(unit_sizes(layer, viewer)[sorted(shown)], 1)
    region = _region(layer, shape, axes) if in_own_units else _whole(shape, axes)
    return Sight(tuple(position), region)


def world_point(
    viewer: napari.Viewer,
    layer: Image,
    axes: str,
    position: tuple[tuple[str, int], ...],
) -> dict[int, float]:
    """Give where the viewer's sliders stand for a plane, by number of the slider."""
    here = list(index_at(layer, viewer, viewer.dims.point))
    for axis, index in position:
        here[axes.index(axis)] = index
    world = np.asarray(layer.data_to_world(here)) / unit_sizes(layer, viewer)
    offset = viewer.dims.ndim - layer.ndim
    numbers = [axes.index(axis) for axis, _ in position]
    return {offset + number: float(world[number]) for number in numbers}


def _whole(shape: tuple[int, ...], axes: str) -> Region:
    """Give all rows and columns: napari takes no units into its `corner_pixels`."""
    return 0, shape[axes.index("Y")], 0, shape[axes.index("X")]


def _region(layer: Image, shape: tuple[int, ...], axes: str) -> Region:
    """Give the rows and columns on the screen; all of them if it was never drawn."""
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level]
    edges: list[int] = []
    for letter in "YX":
        axis = axes.index(letter)
        first, last = int(corners[0, axis]), int(np.ceil(corners[1, axis])) + 1
        edges += _grown(first, last, int(shape[axis]))
    top, bottom, left, right = edges
    return top, bottom, left, right


def _grown(first: int, last: int, size: int) -> tuple[int, int]:
    """Cut off what lies outside, and grow what is too small for the network."""
    if last - first <= 1:
        return 0, size
    first, last = max(0, min(first, size)), max(0, min(last, size))
    lacking = max(0, min(_LEAST_PIXELS, size) - (last - first))
    first = max(0, first - lacking // 2)
    last = min(size, max(last, first + _LEAST_PIXELS))
    return max(0, min(first, last - min(_LEAST_PIXELS, size))), last


def region_arguments(
    layer: Image, plane: PlaneIndex, region: Region, scale: int
) -> dict[str, Any]:
    """Give the place and the looks of a layer of one region of a plane."""
    first = (1 / scale - 1) / 2  # Centre of the first of the pixels made of one.
    places = {"Y": region[0] + first, "X": region[2] + first}
    start = [
        places.get(axis, float(item) if isinstance(item, int) else 0.0)
        for axis, item in zip(plane.axes, plane.selection, strict=True)
    ]
    source = placement_of(layer, plane.axes)
    return source.arguments(scale) | {"translate": source.at(start[: layer.ndim])}


def on_axes(pixels: Any, plane: PlaneIndex) -> Any:
    """Give (channels, Y, X) the axes of the image, of which the plane is one index."""
    from dataclasses import replace

    selection = tuple(0 if isinstance(i, int) else slice(None) for i in plane.selection)
    height, width = pixels.shape[1:]
    sizes = {"Y": height, "X": width}
    shape = [
        1 if isinstance(item, int) else sizes.get(axis, len(pixels))
        for axis, item in zip(plane.axes, selection, strict=True)
    ]
    array = np.empty(shape, pixels.dtype)
    replace(plane, selection=selection).put(array, pixels)
    return array
