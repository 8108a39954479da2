"""Resolution levels of a plane, each half the one before along Y and X."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALLEST_SIDE = 512
_BAND_ROWS = 256


def level_count(height: int, width: int) -> int:
    """Give how many levels there are, down to one that a screen shows whole."""
    count = 1
    while max(height, width) > _SMALLEST_SIDE:
        height, width, count = -(-height // 2), -(-width // 2), count + 1
    return count


def level_size(size: int, level: int) -> int:
    """Give a length at a level; odd ends count as a pixel."""
    for _ in range(level):
        size = -(-size // 2)
    return size


def halved(plane: NDArray[Any]) -> NDArray[Any]:
    """Give (channels, Y, X) at half the size: means of 2 x 2, in the same dtype.

    At odd ends, the last row or column stands for its missing neighbour.
    """
    channels, height, width = plane.shape
    out = np.empty((channels, -(-height // 2), -(-width // 2)), plane.dtype)
    for first in range(0, out.shape[1], _BAND_ROWS):  # Bands, to bound the memory.
        band = plane[:, 2 * first : 2 * (first + _BAND_ROWS)]
        out[:, first : first + _BAND_ROWS] = _halved_band(band)
    return out


def _halved_band(band: NDArray[Any]) -> NDArray[Any]:
    odd = [(0, 0), (0, band.shape[1] % 2), (0, band.shape[2] % 2)]
    wide = _wide(band.dtype)
    full = np.pad(band, odd, mode="edge").astype(wide, copy=False)
    rows = full[:, ::2] + full[:, 1::2]
    total = rows[:, :, ::2] + rows[:, :, 1::2]
    if band.dtype.kind == "f":
        return np.asarray(total / 4)
    return np.asarray((total + 2) >> 2)


def _wide(dtype: np.dtype[Any]) -> Any:
    """Give a type that holds the sum of four values."""
    if dtype.kind == "f":
        return np.float64 if dtype.itemsize == 8 else np.float32
    return np.int64 if dtype.itemsize > 2 else np.int32
