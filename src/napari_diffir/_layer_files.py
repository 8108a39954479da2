"""Arrays of layers as files in a run's folder, with a part that is held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import CHANNEL_AXES, check_axes

IMAGES = "images"
HELD_BACK_FILES = "*_held_back*"
"""Pattern of the files that hold the parts for validation."""
_MARK = "to train DiffIR on"
_MAX_BYTES = 1 << 30
_HELD_BACK = 0.25
_LEAST_PIXELS = 32
"""Of a part that is held back: the smallest patch that is measured."""
_TIFF_KINDS = {
    "?": np.uint8,
    "e": np.float32,
    **dict.fromkeys("lqLQg", np.float64),
}
"""What types that OME-TIFF does not know are written as."""
_LARGEST_EXACT = 2**53
"""Above it, float64 leaves whole numbers out."""


@dataclass(frozen=True, slots=True)
class LayerImage:
    """The array of a layer and its axes, apart from the layer: for any thread."""

    data: Any
    axes: str


def write_images(
    folder: Path, images: Mapping[str, LayerImage], *, same_place: str = ""
) -> str | None:
    """Write arrays to `images/<key>.tif` in a run's folder, Y and X last.

    A run can then be gone on from after the viewer was closed. Of more than 1 GiB,
    evenly spaced planes are taken, the same of all arrays.

    Validation needs a part that training does not see. So a single plane, and channels
    of a single place, are cut into `<key>.tif` and `<key>_held_back.tif`.

    Parameters
    ----------
    folder
        The run's.
    images
        Arrays by the names of their files.
    same_place
        Axes along which planes show the same place, besides channels, and count as
        one, such as T for repeated frames.

    Returns
    -------
    The pattern of the files to hold back, or None if no array was cut.
    """
    step = max(_thinning(image) for image in images.values())
    target, is_cut = folder / IMAGES, False
    for key, image in images.items():
        stack, axes = _stack(key, image, step)
        target.mkdir(parents=True, exist_ok=True)
        parts = [stack]
        if _places(stack, axes, same_place) == 1:
            parts, is_cut = _cut(stack), True
        for part, name in zip(parts, (key, f"{key}_held_back"), strict=False):
            _write(target / f"{name}.tif", part, axes)
    return HELD_BACK_FILES if is_cut else None


def _thinning(image: LayerImage) -> int:
    """Give the step along the first axis that leaves at most 1 GiB."""
    if image.axes[:1] in ("Y", "X", "S"):
        return 1
    pixels = int(np.prod(image.data.shape, dtype=np.int64))
    size_bytes = pixels * int(np.dtype(image.data.dtype).itemsize)
    return max(1, -(-size_bytes // _MAX_BYTES))


def _stack(key: str, image: LayerImage, step: int) -> tuple[NDArray[Any], str]:
    """Give the array with Y and X last, and its axes; samples become channels."""
    check_axes(image.axes, image.data.shape)
    if {"C", "S"} <= set(image.axes):
        raise InputError(
            f"The {key} image has the axes {image.axes}, channels and samples of RGB; "
            "split it into a layer for each channel."
        )
    data, axes = image.data[::step] if step > 1 else image.data, image.axes
    order = [axes.index(axis) for axis in axes if axis not in "YX"]
    order += [axes.index("Y"), axes.index("X")]
    stack = np.transpose(np.asarray(data), order)
    if not np.isfinite(stack).all():
        raise InputError(
            f"The {key} image holds NaN or infinity; training needs finite values."
        )
    axes = "".join(axes[i] for i in order)
    return stack, axes if "C" in axes else axes.replace("S", "C")


def _places(stack: NDArray[Any], axes: str, same_place: str) -> int:
    sizes = [
        size
        for axis, size in zip(axes, stack.shape, strict=True)
        if axis not in "YX" + CHANNEL_AXES + same_place
    ]
    return int(np.prod(sizes, dtype=np.int64))


def _cut(stack: NDArray[Any]) -> list[NDArray[Any]]:
    """Cut along the longer of Y and X: the larger part to train on, then the other."""
    axis = -2 if stack.shape[-2] >= stack.shape[-1] else -1
    size = stack.shape[axis]
    kept = round(_HELD_BACK * size)
    if size >= 2 * _LEAST_PIXELS:
        kept = max(kept, _LEAST_PIXELS)
    return list(np.split(stack, [size - kept], axis=axis))


def _write(path: Path, stack: NDArray[Any], axes: str) -> None:
    import tifffile

    if path.exists() and not _is_ours(path):
        raise InputError(
            f"{path} is already there and was not written for a training; choose "
            "another folder for the run."
        )
    tifffile.imwrite(
        path,
        _storable(path.stem, stack),
        ome=True,
        photometric="minisblack",
        metadata={"axes": axes, "Name": _MARK},
    )


def _is_ours(path: Path) -> bool:
    """Tell what an earlier start has left here from a person's own image."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return _MARK in (file.ome_metadata or "")
    except (tifffile.TiffFileError, OSError, ValueError):
        return False


def _storable(key: str, stack: NDArray[Any]) -> NDArray[Any]:
    """Give the same values in a type that OME-TIFF knows, or refuse them."""
    kind = _TIFF_KINDS.get(stack.dtype.char, stack.dtype)
    whole = stack.dtype.kind in "iu" and stack.dtype.itemsize == 8
    if whole and not -_LARGEST_EXACT <= stack.min() <= stack.max() <= _LARGEST_EXACT:
        raise InputError(
            f"The {key} image holds {stack.dtype} values beyond 2^53, which no TIFF "
            "keeps exactly; give it another type, such as float32."
        )
    return np.ascontiguousarray(stack, kind)
