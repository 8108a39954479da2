"""Small pieces of the images that were chosen, for a look at them before training."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.intensity import fit_mapping
from diffir_core.stacks.axes import check_axes
from napari_diffir._image_folders import (
    FRAMES_FIRST,
    fields_in,
    guessed_axes,
    images_in,
    patterns_below,
)
from napari_diffir._layer_files import LayerImage

if TYPE_CHECKING:
    from diffir_training.images import ImagePlane

Crops = tuple[NDArray[np.float32], ...]
"""Crops (h, w) in model units: a clean one, or a noisy and a clean one."""
_CROP_PIXELS = 256
_MOST_FRAMES = 32
_WHITE = 1.2
_GAP_PIXELS = 4


def clean_crop(source: LayerImage | Path) -> Crops:
    """Give the centre of a clean image, of the first one in a folder."""
    if isinstance(source, Path):
        crop = _plane_crop(_middle_plane(images_in(source)[0]))
    else:
        crop = _array_crop(source)
    return (np.clip(fit_mapping(crop).to_model(crop), 0.0, 3.0),)


def pair_crops(noisy: LayerImage | Path, clean: LayerImage | Path) -> Crops:
    """Give the same place of a noisy and a clean image, of the first two in folders."""
    if isinstance(noisy, Path) and isinstance(clean, Path):
        from diffir_training.images import partners_by_name

        root, patterns = patterns_below((noisy, clean))
        first = partners_by_name(root, *patterns)[0]
        planes = (_middle_plane(path) for path in (first.noisy, first.clean))
        return _in_units_of_the_first(*(_plane_crop(plane) for plane in planes))
    crops = (_array_crop(one) for one in (noisy, clean) if isinstance(one, LayerImage))
    return _in_units_of_the_first(*crops)


def frame_crops(source: LayerImage | Path) -> Crops:
    """Give a crop of one frame, and the mean of the other frames there."""
    frames = (
        [_plane_crop(plane) for plane in _first_field(source)]
        if isinstance(source, Path)
        else list(_array_crop(source, along="T"))
    )
    return _in_units_of_the_first(frames[0], np.mean(frames[1:], axis=0))


def _first_field(folder: Path) -> Sequence[ImagePlane]:
    """Open some frames of the first field in a folder."""
    from diffir_training.images import FileCache, RepeatedFrames, fields_of

    first = fields_in(folder)[0]
    axes = guessed_axes(first, FRAMES_FIRST)
    frames = RepeatedFrames(pattern=glob.escape(first.name), axes=axes)
    return fields_of(frames, first.parent, FileCache())[0].frames[:_MOST_FRAMES]


def _middle_plane(path: Path) -> ImagePlane:
    from diffir_training.images import open_planes

    planes = open_planes(path, guessed_axes(path))
    return planes[len(planes) // 2]


def _plane_crop(plane: ImagePlane) -> NDArray[Any]:
    rows, columns = (_centre(size) for size in plane.shape[1:])
    return _finite(plane.read(rows, columns)[0])


def _array_crop(image: LayerImage, along: str = "") -> NDArray[Any]:
    """Give the centre of the middle plane; planes along an axis stay, and come first.

    At most 32 of them, evenly spaced.
    """
    check_axes(image.axes, image.data.shape)
    selection = [
        _centre(size)
        if axis in "YX"
        else slice(0, size, -(-size // _MOST_FRAMES))
        if axis in along
        else size // 2
        for axis, size in zip(image.axes, image.data.shape, strict=True)
    ]
    crop = np.asarray(image.data[tuple(selection)])
    kept = [axis for axis in image.axes if axis in "YX" + along]
    return _finite(np.transpose(crop, [kept.index(axis) for axis in along + "YX"]))


def _centre(size: int) -> slice:
    first = max(0, (size - _CROP_PIXELS) // 2)
    return slice(first, min(size, first + _CROP_PIXELS))


def _finite(crop: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(crop).all():
        raise InputError("The image holds NaN or infinity; training needs numbers.")
    return crop


def _in_units_of_the_first(*crops: NDArray[Any]) -> Crops:
    """Map all crops as the noisy one, as training does."""
    sizes = " and ".join(f"{crop.shape[0]} x {crop.shape[1]}" for crop in crops)
    if len({crop.shape for crop in crops}) > 1:
        raise InputError(f"The images differ in size: {sizes} pixels in their middle.")
    mapping = fit_mapping(crops[0])
    return tuple(mapping.to_model(crop) for crop in crops)


def beside(crops: Crops) -> NDArray[np.uint8]:
    """Give a picture (h, w) of crops side by side: 255 lies above 1 in model units."""
    gap = np.full((crops[0].shape[0], _GAP_PIXELS), 255, np.uint8)
    pictures = [np.clip(crop / _WHITE * 255, 0, 255).astype(np.uint8) for crop in crops]
    return np.hstack([part for one in pictures for part in (one, gap)][:-1])
