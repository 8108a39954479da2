"""What the arrays of a measure must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError


def check_alike(first: NDArray[Any], second: NDArray[Any], least: int = 1) -> None:
    """Refuse arrays of unlike shapes, or with fewer than `least` pixels a side."""
    one, other = np.shape(first), np.shape(second)
    if one != other:
        raise InputError(
            f"Arrays of the shapes {one} and {other} cannot be compared; give two of "
            "the same shape."
        )
    check_size(first, least)


def check_size(image: NDArray[Any], least: int) -> None:
    """Refuse an array with fewer than `least` values along an axis."""
    shape = np.shape(image)
    if min(shape, default=least) < least:
        raise InputError(
            f"An array of the shape {shape} is too small to measure; it must have "
            f"{least} values or more along each axis."
        )
