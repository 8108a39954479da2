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
    full = np.pad(band, odd, mode="edge").astype(_wide(band.dtype), copy=False)
    if band.dtype.kind == "f":
        return _mean_of_floats(full)
    if band.dtype.itemsize == 8:
        # Nothing is wider: quarters are summed, and what each leaves is summed apart.
        return np.asarray(_sums(full >> 2) + ((_sums(full & 3) + 2) >> 2))
    return np.asarray((_sums(full) + 2) >> 2)


def _mean_of_floats(full: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        means = np.asarray(_sums(full) / 4)
    if np.isfinite(means).all():
        return means
    # Quarters never overflow, but of the smallest numbers they lose digits.
    return np.where(np.isfinite(means), means, _sums(full / 4))


def _sums(values: NDArray[Any]) -> NDArray[Any]:
    """Sum 2 x 2 values."""
    rows = values[:, ::2] + values[:, 1::2]
    return np.asarray(rows[:, :, ::2] + rows[:, :, 1::2])


def _wide(dtype: np.dtype[Any]) -> Any:
    """Give a type that holds the sum of four values, if there is one."""
    if dtype.itemsize == 8:
        return dtype
    if dtype.kind == "f":
        return np.float32
    return np.int64 if dtype.itemsize > 2 else np.int32
