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

import numpy as np

from diffir_core.engine.blocks import (
    BLOCK_PX,
    Image,
    Reader,
    between_blocks,
    block_means,
    smoothed,
    strips,
)

SIGMA_PX = 12.0
_TRUNCATE = 4.0
_MOST = 1.0
"""Of the residual, in model units: the range of nearly all pixels."""

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
    blocks = block_residuals(read, restored, scale)
    smooth = smoothed(blocks, SIGMA_PX, _TRUNCATE)
    height, width = restored.shape[1:]
    for rows, change in between_blocks(smooth, height, width, scale):
        restored[:, rows] += change


def block_residuals(read: Reader, restored: Image, scale: int) -> Image:
    """Give the mean residual of each block, (channels, blocks, blocks)."""
    means = []
    for rows in strips(restored.shape[1] // scale):
        part = restored[:, scale * rows.start : scale * rows.stop]
        residual = np.clip(read(rows) - _binned(part, scale), -_MOST, _MOST)
        means.append(block_means(residual))
    return np.concatenate(means, axis=1)


def _binned(image: Image, factor: int) -> Image:
    if factor == 1:
        return image
    channels, height, width = image.shape
    shape = (channels, height // factor, factor, width // factor, factor)
    return np.asarray(image.reshape(shape).mean(axis=(2, 4)))
