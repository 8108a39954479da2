"""Noise that neighbouring pixels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_REACH = 4.0
"""Deviations after which a Gaussian is cut off."""


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
