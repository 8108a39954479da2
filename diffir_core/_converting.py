"""Values of one dtype as another: rounded, clipped to its range, and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def converted(values: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Give values as `dtype`, rounded and clipped, and how many its range clipped."""
    if values.dtype == dtype:
        return values, 0
    if dtype.kind == "f":
        return _as_float(values, dtype)
    info = np.iinfo(dtype)
    if values.dtype.kind == "f":
        values = np.rint(values)
    clipped = np.count_nonzero((values < info.min) | (values > info.max))
    low, high = (_holding(end, values.dtype) for end in (info.min, info.max))
    return np.clip(values, low, high).astype(dtype), int(clipped)


def _as_float(values: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Give values as floats; what is too large for them is their largest, not inf."""
    most = np.finfo(dtype).max
    if values.dtype.kind == "f" and np.finfo(values.dtype).max <= most:
        return values.astype(dtype), 0
    clipped = np.count_nonzero(np.abs(values) > most) if dtype.itemsize < 8 else 0
    if clipped:
        values = np.clip(values, -most, most)
    return values.astype(dtype), int(clipped)


def _holding(end: int, dtype: np.dtype[Any]) -> Any:
    """Give the end of an integer's range, or the nearest value inside that fits.

    The largest of 64 bits rounds up as float64, out of the range of the integers.
    """
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        return min(max(end, info.min), info.max)
    nearest = dtype.type(end)
    return np.nextafter(nearest, dtype.type(0)) if int(nearest) > end > 0 else nearest
