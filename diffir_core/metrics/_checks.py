"""What the arrays of a measure must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError

_AXES = {2: "(y, x)", 3: "(planes, y, x)"}


def check_alike(
    first: NDArray[Any],
    second: NDArray[Any],
    least: int = 1,
    dimensions: int | None = None,
) -> None:
    """Refuse arrays of unlike shapes, and what `check_image` refuses of either."""
    one, other = np.shape(first), np.shape(second)
    if one != other:
        raise InputError(
            f"Arrays of the shapes {one} and {other} cannot be compared; give two of "
            "the same shape."
        )
    for image in (first, second):
        check_image(image, least, dimensions)


def check_image(
    image: NDArray[Any], least: int = 1, dimensions: int | None = None
) -> None:
    """Refuse masked values, other dimensions, or fewer than `least` values an axis."""
    shape = np.shape(image)
    masked = np.count_nonzero(image.mask) if np.ma.isMaskedArray(image) else 0
    if masked:
        raise InputError(
            f"{masked} values are masked, and would be measured like the others; give "
            "the part of the images without them."
        )
    if dimensions is not None and len(shape) != dimensions:
        raise InputError(
            f"An array of the shape {shape} cannot be measured; give one of "
            f"{dimensions} dimensions, {_AXES[dimensions]}."
        )
    if min(shape, default=least) < least:
        raise InputError(
            f"An array of the shape {shape} is too small to measure; it must have "
            f"{least} values or more along each axis."
        )
