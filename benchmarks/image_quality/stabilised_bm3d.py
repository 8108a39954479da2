"""VST + BM3D: stabilise the variance, remove Gaussian noise, invert without bias.

Generalised Anscombe transform with the noise fitted to the image alone, BM3D (Dabov et
al., TIP 2007) of its authors' package `bm3d`, and the closed-form exact unbiased
inverse (Mäkitalo and Foi, TIP 2013).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffir_core.noise import NoiseModel
from image_quality.noise_fitting import estimate_noise, fit_noise
from image_quality.pairs import Image

Float64 = NDArray[np.float64]
_LEAST_SLOPE = 1e-3


def vst_bm3d(noisy: Image) -> Image:
    """Denoise an image with noise of a camera whose gain and offset are unknown."""
    values = noisy.astype(np.float64)
    noise = fit_noise(noisy)
    if noise.slope < _LEAST_SLOPE:
        return _bm3d(values, estimate_noise(noisy))
    return inverse(_bm3d(stabilised(values, noise), 1.0), noise)


def stabilised(values: Float64, noise: NoiseModel) -> Float64:
    """Transform to unit variance: 2/a sqrt(a z + 3/8 a^2 + b), variance = a z + b."""
    a, b = noise.slope, noise.constant
    return 2 / a * np.sqrt(np.maximum(a * values + 0.375 * a**2 + b, 0))


def inverse(stable: Float64, noise: NoiseModel) -> Float64:
    """Give the mean whose stabilised values average to `stable`.

    The closed form for the unit-gain transform, scaled: offset and read noise enter by
    ``constant / slope`` alone. Below the transform of a signal of 0 that is 0.
    """
    a, b = noise.slope, noise.constant
    # Under 2 sqrt(3/8) no image has such a mean, and the powers of 1/d explode.
    d = np.maximum(stable, 2 * np.sqrt(0.375))
    root = np.sqrt(1.5)
    photons = (
        d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    )
    return a * np.maximum(photons, 0) - b / a


def _bm3d(values: Float64, sigma: float) -> Float64:
    """Run BM3D on values brought to 0 .. 1, for which it is made."""
    import bm3d

    low, high = float(values.min()), float(values.max())
    extent = high - low or 1.0
    result = bm3d.bm3d((values - low) / extent, sigma / extent)
    return np.asarray(result, np.float64) * extent + low
