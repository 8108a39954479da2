"""Noise that neighbouring pixels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_REACH = 4.0
"""Deviations after which a Gaussian is cut off."""


def unit_noise(
    shape: tuple[int, ...], correlation_pixels: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw Gaussian noise of mean 0 and deviation 1, blurred by so many pixels.

    Blurring white noise by a Gaussian of s pixels gives neighbours the correlation
    exp(-1 / (4 s^2)), where s is large enough for a Gaussian to be sampled well.
    """
    noise = generator.standard_normal(shape)
    if correlation_pixels > 0:
        noise = ndimage.gaussian_filter(noise, correlation_pixels, mode="wrap")
        noise /= noise.std()
    return noise


def smeared(noise: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Correlate white noise (y, x) along X with the next pixel, at the same variance.

    The kernel ``(c, 1, c)`` correlates neighbours by ``r = 2 c / (1 + 2 c^2)``.
    """
    if correlation == 0:
        return noise
    side = (1 - np.sqrt(1 - 2 * correlation**2)) / (2 * correlation)
    kernel = np.array([side, 1.0, side]) / np.sqrt(1 + 2 * side**2)
    return np.asarray(ndimage.correlate1d(noise, kernel, axis=1, mode="wrap"))


def blurred_noise(
    noise: NDArray[np.float64], pixels: tuple[float, float]
) -> NDArray[np.float64]:
    """Blur white noise (y, x) by Gaussians along Y and X, at the same variance.

    It is wrapped around at the borders. Neighbours along an axis then share
    exp(-1 / (4 s^2)), from s = 0.6 pixels on, where a Gaussian is sampled well.
    """
    for axis, sigma in enumerate(pixels):
        if sigma > 0:
            kernel = _unit_energy_gaussian(sigma)
            noise = ndimage.correlate1d(noise, kernel, axis=axis, mode="wrap")
    return noise


def _unit_energy_gaussian(sigma: float) -> NDArray[np.float64]:
    reach = max(1, round(_REACH * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(kernel / np.sqrt((kernel**2).sum()))
