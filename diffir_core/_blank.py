"""Tell pixels of which nothing was recorded from dark ones, by their values alone.

Software that turns, registers, deskews or stitches images fills their borders, mostly
with 0. Cameras have an offset, and no recorded pixel comes near that. Where zeros are
data, as of photon counting, of clipped black levels or of a background that was
subtracted, there is no such gap, or the values above it begin all at once, or zeros and
others lie singly among each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_SHARE = 0.005
"""Of all values, before the lowest of them counts as a fill value."""
_LEAST_GAP = 0.06
"""Between the fill value and the others, of the range of the others; with less, it
hardly changes an intensity mapping."""
_MOST_BETWEEN = 0.15
"""Of the empty values, how many others may lie in the gap: edges are interpolated."""
_LEAST_STEPS = 4
"""From one of the others' grey levels to the next, in the gap: where photons are
counted, none and one are as far apart as one and two."""
_MOST_ALONE = 0.05
"""Of the empty values or the others, whichever are fewer, how many may have none of
their kind beside them. Where photons are counted, and corrected for the illumination
or for bleaching, 9 % and more have none; of what was cut out, hardly any."""
_LOW, _HIGH = 5.0, 99.8
"""Percentiles between which the others lie."""


def blank_threshold(values: NDArray[Any], lines: NDArray[Any]) -> float | None:
    """Give what recorded values lie above, and empty pixels below; None without such.

    Parameters
    ----------
    values
        A sample of finite values of an image, of any shape and real dtype.
    lines
        Rows of the image, along the last axis.
    """
    threshold = _middle_of_gap(values)
    if threshold is None or _lie_singly(lines < threshold):
        return None
    return threshold


def _middle_of_gap(values: NDArray[Any]) -> float | None:
    lowest = values.min()
    others = values[values > lowest]
    blank = values.size - others.size
    if blank < _LEAST_SHARE * values.size or not others.size:
        return None
    low, high = (float(end) for end in np.percentile(others, (_LOW, _HIGH)))
    gap = low - float(lowest)
    if not low < high < low + gap / _LEAST_GAP:
        return None
    if gap < _LEAST_STEPS * _lowest_step(others):
        return None
    threshold = float(lowest) + gap / 2
    between = np.count_nonzero(others < threshold)
    return threshold if between <= _MOST_BETWEEN * blank else None


def _lowest_step(values: NDArray[Any]) -> float:
    """Give how far the lowest two of the different values are apart."""
    least = values.min()
    others = values[values > least]
    return float(others.min() - least) if others.size else 0.0


def _lie_singly(dark: NDArray[np.bool_]) -> bool:
    """Tell whether many differ from both pixels beside them, on lines."""
    alone = (dark[..., 1:-1] != dark[..., :-2]) & (dark[..., 1:-1] != dark[..., 2:])
    darks = np.count_nonzero(dark)
    fewer = min(darks, dark.size - darks)
    return bool(np.count_nonzero(alone) > _MOST_ALONE * fewer)
