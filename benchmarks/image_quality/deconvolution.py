"""What one would sharpen or enlarge an image with, were there no network.

Deconvolution is given the true PSF, and the camera's offset and background, which a
user would have to measure. Images are in the units of the clean one.
"""

from __future__ import annotations

import numpy as np
from diffir_training.degradations.resizing import resize
from skimage import restoration

from image_quality.blurred import Float64, Level

ITERATIONS = (1, 2, 5, 10, 20, 40)
"""Of Richardson-Lucy: more sharpen more, and raise more noise."""
BALANCES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of Wiener's filter: larger ones are smoother."""
_MARGIN = 32
"""Pixels that are mirrored around an image: both methods see nothing, or the other
side, beyond its border."""


def richardson_lucy(image: Float64, level: Level, iterations: int) -> Float64:
    """Deconvolve the light, background included, which is never below 0."""
    background = level.camera.background
    light = np.maximum(_with_margin(image) + background, 0)
    psf = level.psf.values
    sharp = restoration.richardson_lucy(light, psf, num_iter=iterations, clip=False)
    return _without_margin(sharp) - background


def wiener(image: Float64, level: Level, balance: float) -> Float64:
    """Deconvolve with Wiener's filter, which smooths by a Laplacian."""
    sharp = restoration.wiener(
        _with_margin(image), level.psf.values, balance, clip=False
    )
    return _without_margin(sharp)


def enlarged(image: Float64, factor: int) -> Float64:
    """Interpolate with Keys's cubic; large pixels cover the small ones exactly."""
    rows, columns = (size * factor for size in image.shape)
    # With `antialias` PyTorch takes Keys's -1/2, without it -3/4, which overshoots.
    stack = image[None].astype(np.float32)
    large = resize(stack, (rows, columns), "bicubic", antialias=True)
    return large[0].astype(np.float64)


def _with_margin(image: Float64) -> Float64:
    return np.pad(image, _MARGIN, mode="symmetric")


def _without_margin(image: Float64) -> Float64:
    inner = slice(_MARGIN, -_MARGIN)
    return np.asarray(image[inner, inner], np.float64)
