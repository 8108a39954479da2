"""Whether intensities stay true: a restoration that dims or brightens is biased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.metrics._checks import check_alike

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BiasCurve:
    """Mean difference of an image from its reference, by the reference's intensity."""

    levels: Float64
    """(bins,) mean intensity of the reference in each bin, rising."""
    biases: Float64
    """(bins,) mean of ``image - reference`` in each bin."""

    @property
    def gain_error(self) -> float:
        """Slope of the bias: -0.1 where contrast has become a tenth smaller."""
        off = self.levels - self.levels.mean()
        spread = float(off @ off)
        return float(off @ self.biases) / spread if spread else 0.0

    @property
    def rms(self) -> float:
        """Root mean square of the biases; each bin counts the same."""
        return float(np.sqrt(np.mean(self.biases**2)))


def bias_by_intensity(
    image: NDArray[Any], reference: NDArray[Any], bins: int = 16
) -> BiasCurve:
    """Give the mean residual against intensity, of arrays of the same shape and units.

    Pixels are sorted by the reference, as a calibration curve is made, into bins of
    equal count. Sorting by the noisy image instead would show a bias where there is
    none, because a bright pixel is bright by its noise, too (regression to the mean).

    Parameters
    ----------
    image, reference
        Of the same shape; the reference should have little noise.
    bins
        How many at most; equal values may share one.
    """
    check_alike(image, reference)
    if bins < 1:
        raise InputError(f"bins is {bins}; there must be 1 or more.")
    truth = np.asarray(reference, np.float64).ravel()
    difference = np.asarray(image, np.float64).ravel() - truth
    order = np.argsort(truth, kind="stable")
    members = np.array_split(order, min(bins, len(order)))
    levels = np.array([truth[own].mean() for own in members])
    return BiasCurve(levels, np.array([difference[own].mean() for own in members]))
