"""Means over blocks of pixels, and fields that change smoothly from block to block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(channels, Y, X)."""
Reader = Callable[[slice], Image]
"""Rows -> (channels, rows, X) of a raw image, in model units."""

BLOCK_PX = 8
_STRIP_BLOCKS = 32


def strips(height: int, scale: int = 1) -> Iterator[slice]:
    """Yield rows of a plane, a whole number of blocks of `scale * BLOCK_PX` each."""
    step = _STRIP_BLOCKS * BLOCK_PX * scale
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))


def block_means(values: Image) -> Image:
    """Give the mean of each block; those at the end have fewer pixels."""
    for axis in (1, 2):
        size = values.shape[axis]
        starts = np.arange(0, size, BLOCK_PX)
        counts = np.diff(np.append(starts, size)).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = -1
        sums = np.add.reduceat(values, starts, axis=axis)
        values = (sums / counts.reshape(shape)).astype(np.float32, copy=False)
    return values


def smoothed(blocks: NDArray[Any], sigma_px: float, truncate: float) -> NDArray[Any]:
    """Blur values of blocks by a Gaussian, cut off at `truncate` of its deviations."""
    from scipy.ndimage import gaussian_filter

    sigma = sigma_px / BLOCK_PX
    return np.asarray(
        gaussian_filter(blocks, (0, sigma, sigma), mode="nearest", truncate=truncate)
    )


def between_blocks(
    blocks: Image, height: int, width: int, scale: int = 1
) -> Iterator[tuple[slice, Image]]:
    """Yield strips of a field, interpolated linearly between the blocks' middles.

    Parameters
    ----------
    blocks
        (channels, blocks, blocks).
    height, width
        Of the field, `scale` times that of the image the blocks are of.
    """
    block = BLOCK_PX * scale
    rows, columns = (_Between.of(size, block) for size in (height, width))
    for strip in strips(height, scale):
        tall = rows.part(strip).along(blocks, axis=1)
        yield strip, columns.along(tall, axis=2)


@dataclass(frozen=True, slots=True)
class _Between:
    """For every pixel along an axis: the blocks beside it, and the second's weight."""

    below: NDArray[np.intp]
    above: NDArray[np.intp]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, size: int, block: int) -> _Between:
        position = (np.arange(size) + 0.5) / block - 0.5
        last = -(-size // block) - 1
        below = np.clip(np.floor(position).astype(np.intp), 0, last)
        above = np.minimum(below + 1, last)
        weight = np.clip(position - below, 0, 1).astype(np.float32)
        return cls(below, above, weight)

    def part(self, span: slice) -> _Between:
        return _Between(self.below[span], self.above[span], self.weight[span])

    def along(self, values: Image, axis: int) -> Image:
        shape = [1, 1, 1]
        shape[axis] = -1
        weight = self.weight.reshape(shape)
        lower, upper = (values.take(i, axis) for i in (self.below, self.above))
        return np.asarray(lower + weight * (upper - lower))
