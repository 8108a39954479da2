"""The noise of an image, from the image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from diffir_core.noise import NoiseModel

Image = NDArray[np.generic]
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
_GAIN = 6.0
"""Root of the sum of the squared weights: what it does to white noise."""
_BINS = 32
_SMOOTHING = 2.0
_OUTLYING = 5.0


def estimate_noise(image: Image) -> float:
    """Estimate white noise's standard deviation (Immerkaer, CVIU 1996)."""
    response = ndimage.convolve(image.astype(np.float64), _LAPLACIAN)
    return float(np.sqrt(np.pi / 2) / _GAIN * np.abs(response).mean())


def fit_noise(image: Image) -> NoiseModel:
    """Fit ``variance = slope * signal + constant``, as Foi et al. (TIP 2008) do.

    The signal is a smoothed image; the noise is what a mask shows that is blind to
    planes and edges along the axes. In bins of equal signal its variance is taken, with
    hot pixels cut off at five deviations; the median of its magnitude would be too
    small where there are few photons.
    """
    values = image.astype(np.float64)
    signal = ndimage.gaussian_filter(values, _SMOOTHING).ravel()
    detail = ndimage.convolve(values, _LAPLACIAN).ravel() / _GAIN
    unclipped = signal < 0.9 * _greatest(image)
    levels, variances = _binned(signal[unclipped], detail[unclipped])
    # The spread of a variance grows with it: dim bins are known better.
    weights = 1 / np.maximum(variances, variances.max() / 100)
    slope, constant = np.polyfit(levels, variances, 1, w=weights)
    if slope < 0:
        slope, constant = 0.0, float(np.average(variances, weights=weights))
    return NoiseModel(float(slope), float(constant))


def _greatest(image: Image) -> float:
    if image.dtype.kind in "ui":
        return float(np.iinfo(image.dtype).max)
    return float("inf")


def _binned(
    signal: NDArray[np.float64], detail: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.argsort(signal, kind="stable")
    members = np.array_split(order, _BINS)
    levels = np.array([signal[own].mean() for own in members])
    return levels, np.array([_variance(detail[own]) for own in members])


def _variance(detail: NDArray[np.float64]) -> float:
    limit = _OUTLYING * float(detail.std())
    return float(np.var(np.clip(detail, -limit, limit)))
