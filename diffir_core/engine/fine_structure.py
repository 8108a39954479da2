"""Give a restored plane back what was taken of structure as fine as its pixels.

A network takes some fine structure for noise. Where an image has much of the one and
little of the other, it loses more than it gains. How fine an image is, the restored one
shows: where that is smooth, what was taken is noise. So the same filter is applied to
what was kept and to what was taken, and their balance decides::

    residual    raw - restored, and 0 where one pixel stands out from all around it
    power       mean square, over some twenty pixels, of what the mask of Immerkaer
                (CVIU 1996) lets through: structure and noise as fine as the pixels
    ratio       power of the restored image / power of the residual
    restored += residual * ratio^2 / (ratio^2 + `BALANCE`^2)

This has the form of a Wiener filter. What comes back is both, structure and noise; in
the limit the plane is as it was measured. All of it is local: what lies farther than
`REACH_PX` does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator

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

BALANCE = 0.3
"""The ratio at which half is given back, chosen on images of the training set: see
`benchmarks/fine_structure.py`."""
_SIGMA_PX = 8.0
_TRUNCATE = 3.0
_STANDS_OUT = 4.0
"""How many times the residuals beside it that of a hot pixel, or a lone photon, has."""
_MARGIN = 2
"""Pixels around a strip: one to see what stands out, one for the mask."""

REACH_PX = int(_TRUNCATE * _SIGMA_PX) + 2 * BLOCK_PX + _MARGIN
"""How far a pixel has an influence."""


def give_back_fine_structure(
    read: Reader, restored: Image, balance: float = BALANCE
) -> None:
    """Change `restored` in place.

    Parameters
    ----------
    read
        Gives rows of the raw image; a part at a time is asked for.
    restored
        (channels, Y, X) in model units, of the size of the raw image.
    balance
        The ratio at which half is given back; the larger, the less comes back.
    """
    shares = between_blocks(_shares(read, restored, balance), *restored.shape[1:])
    around = _surroundings(read, restored)
    for (rows, share), (raw, kept) in zip(shares, around, strict=True):
        restored[:, rows] += share * _residual(raw, kept)[:, 1:-1, 1:-1]


def _shares(read: Reader, restored: Image, balance: float) -> Image:
    """Give which part of the residual each block gets back."""
    powers = [
        (_power(kept[:, 1:-1, 1:-1]), _power(_residual(raw, kept)))
        for raw, kept in _surroundings(read, restored)
    ]
    kept, taken = (
        smoothed(np.concatenate(parts, axis=1, dtype=np.float64), _SIGMA_PX, _TRUNCATE)
        for parts in zip(*powers, strict=True)
    )
    total = kept**2 + (balance * taken) ** 2
    shares = np.divide(kept**2, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(shares, np.float32)


def _surroundings(read: Reader, restored: Image) -> Iterator[tuple[Image, Image]]:
    """Yield strips of both images with what is around them, mirrored at the borders.

    The strip that was yielded may be changed before the next is asked for.
    """
    height, above = restored.shape[1], restored[:, :0]
    for rows in strips(height):
        top, end = max(rows.start - _MARGIN, 0), min(rows.stop + _MARGIN, height)
        kept = np.concatenate([above, restored[:, rows.start : end]], axis=1)
        above = kept[:, max(rows.stop - _MARGIN - top, 0) : rows.stop - top]
        outside = (top - rows.start + _MARGIN, rows.stop + _MARGIN - end)
        pads = ((0, 0), outside, (_MARGIN, _MARGIN))
        raw = read(slice(top, end))
        yield np.pad(raw, pads, "symmetric"), np.pad(kept, pads, "symmetric")


def _residual(raw: Image, kept: Image) -> Image:
    """Give raw - kept, a pixel less on each side, without what stands out."""
    residual = raw - kept
    size = np.abs(residual)
    beside = np.maximum(size[..., :-2], size[..., 2:])
    three = np.maximum(beside, size[..., 1:-1])
    around = np.maximum(np.maximum(three[:, :-2], three[:, 2:]), beside[:, 1:-1])
    inner = residual[:, 1:-1, 1:-1]
    inner[size[:, 1:-1, 1:-1] > _STANDS_OUT * around] = 0
    return inner


def _power(values: Image) -> Image:
    """Give the power of the finest structure by block, a pixel less on each side."""
    across = values[..., :-2] - 2 * values[..., 1:-1] + values[..., 2:]
    both = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    return block_means(both * both)
