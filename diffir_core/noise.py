"""The noise of an image, read off what restoration took away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_BINS = 32
_LEAST_VALUES = 16


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Variance of the noise as a line: ``variance = slope * signal + constant``.

    That is a camera with shot noise and read noise, in any units (Foi et al., IEEE
    Transactions on Image Processing 17, 2008).
    """

    slope: float
    """At least 0; the gain of the camera in these units."""
    constant: float
    """At the signal 0; may be below 0 where the units have an offset."""

    @classmethod
    def fitted(cls, noisy: NDArray[np.float32], restored: NDArray[np.float32]) -> Self:
        """Fit to a noisy image and its restoration, of the same shape and units.

        Pixels are sorted by their restored value into bins of equal count; in each, the
        variance of the difference is taken from its median absolute deviation, which
        structures that were not restored and hot pixels hardly change.
        """
        signal, difference = restored.ravel(), (noisy - restored).ravel()
        order = np.argsort(signal, kind="stable")
        bins = max(1, min(_BINS, len(order) // _LEAST_VALUES))
        levels, variances = [], []
        for members in np.array_split(order, bins):
            own = difference[members]
            spread = 1.4826 * np.median(np.abs(own - np.median(own)))
            levels.append(float(signal[members].mean()))
            variances.append(float(spread**2))
        slope, constant = 0.0, float(np.mean(variances))
        if np.ptp(levels) > 0:
            slope, constant = np.polyfit(levels, variances, 1)
        if slope < 0:
            slope, constant = 0.0, float(np.mean(variances))
        return cls(float(slope), float(constant))

    def standard_deviation(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the standard deviation of the noise at each signal."""
        variance = np.maximum(self.slope * signal + self.constant, 0.0)
        return np.asarray(np.sqrt(variance), np.float32)

    def draw(
        self, signal: NDArray[np.float32], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """Give the image with new noise; Gaussian, as many photons make it."""
        normal = generator.standard_normal(signal.shape, dtype=np.float32)
        return signal + self.standard_deviation(signal) * normal
