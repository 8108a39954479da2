"""Whether a restored stack flickers from plane to plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.metrics._checks import check_alike


@dataclass(frozen=True, slots=True)
class Flicker:
    """Changes from plane to plane in a restored stack, over those in the given one."""

    planes: float
    """Of the means of the planes: 1 if restoration leaves them alone; above 1 it makes
    planes brighter and darker that were not."""
    pixels: float
    """Of single pixels; below 1 as noise is removed."""


def flicker(restored: NDArray[Any], given: NDArray[Any]) -> Flicker:
    """Compare how planes differ from their neighbours; needs no reference.

    The root of half the mean squared successive difference (von Neumann, Annals of
    Mathematical Statistics 12, 1941): unlike a standard deviation it does not count
    slow change, such as bleaching. A moving specimen changes both stacks alike.

    Parameters
    ----------
    restored, given
        (planes, y, x) of the same shape, neighbours in z or time; 2 planes or more.
    """
    check_alike(restored, given, dimensions=3)
    if len(given) < 2:
        raise InputError("One plane cannot flicker; give stacks of two or more.")
    after, before = (np.asarray(s, np.float64) for s in (restored, given))
    means = _ratio(*(_changes(s.mean(axis=(1, 2))) for s in (after, before)))
    return Flicker(means, _ratio(_changes(after), _changes(before)))


def _changes(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.diff(values, axis=0) ** 2) / 2))


def _ratio(after: float, before: float) -> float:
    if before == 0:
        return 1.0 if after == 0 else float("inf")
    return after / before
