"""Give a restored plane the local mean that was measured.

Averaged over some forty pixels, noise is all but gone: where the mean of a restored
image is another than that of the raw one, the network has changed the background or the
brightness of structures. What it changed is measured in blocks and added back::

    residual    raw - restored, at most one unit of the model, so that a hot pixel
                counts for no more than a bright one
    blocks      its mean over 8 x 8 pixels of the raw image
    smoothed    by a Gaussian of 12 pixels
    restored += smoothed, interpolated between the middles of the blocks

All of it is local: what lies farther than `REACH_PX` does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Reader = Callable[[slice], Image]
"""Rows -> (channels, rows, X) of the raw image, in model units."""

BLOCK_PX = 8
SIGMA_PX = 12.0
_TRUNCATE = 4.0
_MOST = 1.0
"""Of the residual, in model units: the range of nearly all pixels."""
_STRIP_BLOCKS = 32

REACH_PX = int(_TRUNCATE * SIGMA_PX) + 2 * BLOCK_PX
"""How far a pixel has an influence, in pixels of the raw image."""


def restore_local_mean(read: Reader, restored: Image, scale: int = 1) -> None:
    """Change `restored` in place so that its local mean is that of the raw image.

    Parameters
    ----------
    read
        Gives rows of the raw image; a part at a time is asked for.
    restored
        (channels, scale * Y, scale * X) in model units.
    """
    from scipy.ndimage import gaussian_filter

    blocks = block_residuals(read, restored, scale)
    sigma = SIGMA_PX / BLOCK_PX
    smooth = gaussian_filter(
        blocks, (0, sigma, sigma), mode="nearest", truncate=_TRUNCATE
    )
    add_between_blocks(smooth, restored, scale)


def block_residuals(read: Reader, restored: Image, scale: int) -> Image:
    """Give the mean residual of each block, (channels, blocks, blocks)."""
    strips, height, step = [], restored.shape[1] // scale, _STRIP_BLOCKS * BLOCK_PX
    for first in range(0, height, step):
        raw = read(slice(first, min(first + step, height)))
        part = restored[:, scale * first : scale * (first + raw.shape[1])]
        residual = np.clip(raw - _binned(part, scale), -_MOST, _MOST)
        strips.append(_block_means(residual))
    return np.concatenate(strips, axis=1)


def add_between_blocks(blocks: Image, image: Image, scale: int) -> None:
    """Add values of blocks to an image in place, interpolated between their middles."""
    block = BLOCK_PX * scale
    rows, columns = (_Between.of(size, block) for size in image.shape[1:])
    step = _STRIP_BLOCKS * block
    for first in range(0, image.shape[1], step):
        strip = slice(first, min(first + step, image.shape[1]))
        tall = rows.part(strip).along(blocks, axis=1)
        image[:, strip] += columns.along(tall, axis=2)


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


def _binned(image: Image, factor: int) -> Image:
    if factor == 1:
        return image
    channels, height, width = image.shape
    shape = (channels, height // factor, factor, width // factor, factor)
    return np.asarray(image.reshape(shape).mean(axis=(2, 4)))


def _block_means(values: Image) -> Image:
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
