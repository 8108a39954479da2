"""Values far outside the range of an image, such as hot pixels and very bright spots.

A value a thousand times the bright end of an image disturbs every pixel that the
network computes from it, and of a spot ten times as bright it keeps half: there are no
such values in training. Hot pixels are therefore left out (`without_hot_pixels`), and
of the rest the network sees nothing beyond `MOST` units of the model::

    seen        raw, between -MOST and MOST
    excess      raw - seen
    restored += excess * s,    s = smoothstep of restored / seen from 0.3 to 0.7

Where the network keeps what it has seen, as it does of a spot, the value comes back as
it was, with its noise, which is little for its brightness. What it takes away stays
away, and what it halves, such as three hot pixels side by side, comes back in part. No
other pixel changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.intensity import IntensityMapping

MOST = 4.0
"""In model units, 1 being the bright end of an image. `fluo-denoise` removes single hot
pixels of this height and gives spots back within 10 % at the peak and 5 % in sum; of
3 to 8 that were tried, those below brighten weak spots, those above dim strong ones."""
_NOT_EXTREME = 255
Place = tuple[NDArray[np.intp], ...]
"""Indices of pixels: channels, rows, columns."""
_STRIP_ROWS = 64
_REMOVED, _KEPT = 0.3, 0.7
_OPTICAL = 0.1
"""Of a pixel's height its neighbours have more in any image that lenses make, unless a
spot is narrower than half a pixel."""
_AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))


def seen(values: NDArray[Any], mapping: IntensityMapping) -> NDArray[np.float32]:
    """Give what the network sees of values, in model units."""
    limit = _limit(mapping)
    low, high = mapping.offset - limit, mapping.offset + limit
    return mapping.to_model(np.clip(values.astype(np.float64), low, high))


def _limit(mapping: IntensityMapping) -> float:
    """Give `MOST` in the units of the values."""
    return MOST * abs(mapping.scale)


def are_extreme(values: NDArray[Any], mapping: IntensityMapping) -> bool:
    """Tell whether any value lies farther outside than the network may see."""
    limit = _limit(mapping)
    low, high = float(values.min()), float(values.max())
    return low < mapping.offset - limit or high > mapping.offset + limit


def without_hot_pixels(values: NDArray[Any], mapping: IntensityMapping) -> NDArray[Any]:
    """Give (channels, Y, X) with the median around it in each hot or dead pixel.

    One lies farther outside than the network may see, and ten times as far as all
    around it; of two side by side each may be as far as the other. Where there are
    none, the values come back as they are.
    """
    if not are_extreme(values, mapping):
        return values
    number = np.full(values.shape, _NOT_EXTREME, np.uint8)
    for first in range(0, values.shape[1], _STRIP_ROWS):
        place = _extreme(values, first, mapping)
        number[place] = _bright_around(values, place, mapping).sum(0)
    place = np.nonzero(number <= 1)
    bright = _bright_around(values, place, mapping)
    partner = np.array(_AROUND)[bright.argmax(0)].T
    theirs = number[place[0], place[1] + partner[0], place[2] + partner[1]]
    alone = ~bright.any(0) | (theirs <= 1)
    if not alone.any():
        return values
    mended, place = values.copy(), (place[0][alone], place[1][alone], place[2][alone])
    mended[place] = np.median(_around(values, place), axis=0).astype(values.dtype)
    return mended


def _extreme(values: NDArray[Any], first: int, mapping: IntensityMapping) -> Place:
    """Give the places of values that are too far outside, in a strip from a row on."""
    strip = values[:, first : first + _STRIP_ROWS]
    channel, row, column = np.nonzero(_heights(strip, mapping) > MOST)
    return channel, row + first, column


def _bright_around(
    values: NDArray[Any], place: Place, mapping: IntensityMapping
) -> NDArray[np.bool_]:
    """Tell (8, n) which neighbours are about as far outside; none beyond the border."""
    here = _heights(values[place], mapping)
    bright = _heights(_around(values, place), mapping) >= _OPTICAL * here
    sizes = values.shape[1:]
    for number, step in enumerate(_AROUND):
        for index, off, size in zip(place[1:], step, sizes, strict=True):
            bright[number] &= (index + off >= 0) & (index + off < size)
    return bright


def _around(values: NDArray[Any], place: Place) -> NDArray[Any]:
    """Give the eight neighbours (8, n) of pixels, mirrored at the borders."""
    channel, row, column = place
    height, width = values.shape[1:]
    return np.stack(
        [
            values[channel, _mirrored(row + y, height), _mirrored(column + x, width)]
            for y, x in _AROUND
        ]
    )


def _heights(values: NDArray[Any], mapping: IntensityMapping) -> NDArray[np.float64]:
    """Give how far values lie from the dark end, in model units."""
    return np.abs(values.astype(np.float64) - mapping.offset) / abs(mapping.scale)


def _mirrored(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    inside = np.where(index >= size, size - 2, np.abs(index))
    return np.clip(inside, 0, size - 1)


def excess(
    values: NDArray[Any],
    restored: NDArray[np.float32],
    mapping: IntensityMapping,
    scale: int,
) -> NDArray[np.float64]:
    """Give what restored pixels get back, in the units of the values.

    Parameters
    ----------
    values
        (channels, Y, X), raw.
    restored
        (channels, scale * Y, scale * X), in model units.
    """
    limit = _limit(mapping)
    centred = values.astype(np.float64) - mapping.offset
    beyond = centred - np.clip(centred, -limit, limit)
    sign = np.sign(beyond) * np.sign(mapping.scale)
    if scale != 1:
        beyond, sign = (_enlarged(part, scale) for part in (beyond, sign))
    share = (sign * restored / MOST - _REMOVED) / (_KEPT - _REMOVED)
    share = np.clip(share, 0, 1)
    return np.asarray(beyond * (share * share * (3 - 2 * share)))


def _enlarged(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    return values.repeat(factor, axis=-2).repeat(factor, axis=-1)
