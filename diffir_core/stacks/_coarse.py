"""A coarse look at an image: fewer, larger pixels, as many as time allows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

TARGET_SECONDS = 0.12
"""What a coarse look may take; with drawing, a viewer shows it within 300 ms."""
_FIRST_GUESS = 4.5e-6
_NEWEST_SHARE = 0.5
_LEAST_SIDE = 16
_MIDDLE_SIDE = 96


class Pace:
    """How many pixels can be restored in time, learnt from those that were."""

    def __init__(self, seconds_a_pixel: float = _FIRST_GUESS) -> None:
        self._seconds_a_pixel = seconds_a_pixel

    def learn(self, pixels: int, seconds: float) -> None:
        """Take in how long so many pixels took: bad news at once, good ones slowly."""
        newest = seconds / pixels
        share = 1.0 if newest > self._seconds_a_pixel else _NEWEST_SHARE
        self._seconds_a_pixel += share * (newest - self._seconds_a_pixel)

    def coarse_shape(self, height: int, width: int) -> tuple[int, int]:
        """Give the size, at most height x width, that can be restored in time."""
        pixels = TARGET_SECONDS / self._seconds_a_pixel
        share = min(1.0, math.sqrt(pixels / (height * width)))
        rows, columns = (
            min(size, max(_LEAST_SIDE, round(share * size))) for size in (height, width)
        )
        return rows, columns


def middle(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the middle of (channels, y, x), enough for a first guess of its IPR."""
    starts = [max(0, (size - _MIDDLE_SIDE) // 2) for size in values.shape[1:]]
    rows, columns = (slice(start, start + _MIDDLE_SIDE) for start in starts)
    return np.ascontiguousarray(values[:, rows, columns])


def thinned(values: NDArray[np.float32], height: int, width: int) -> NDArray[Any]:
    """Average (channels, y, x) over the pixels of a smaller image of this size."""
    return _resized(values, height, width, "area")


def enlarged(values: NDArray[np.float32], height: int, width: int) -> NDArray[Any]:
    """Interpolate (channels, y, x) to height x width."""
    return _resized(values, height, width, "bilinear")


def _resized(
    values: NDArray[np.float32], height: int, width: int, mode: str
) -> NDArray[Any]:
    if values.shape[1:] == (height, width):
        return values
    image = torch.from_numpy(np.ascontiguousarray(values))[None]
    return np.asarray(F.interpolate(image, size=(height, width), mode=mode)[0].numpy())
