"""How near a restored image is to its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.metrics._checks import check_alike

Image = NDArray[Any]


SSIM_SIDE = 11
"""Pixels of the window of SSIM along each axis."""


def psnr(image: Image, reference: Image, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, of arrays of the same shape and units."""
    check_alike(image, reference)
    error = float(np.mean((_float(image) - _float(reference)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(data_range**2 / error))


def scale_invariant_psnr(image: Image, reference: Image, data_range: float) -> float:
    """PSNR in dB after the gain and offset that fit `image` best to the reference."""
    check_alike(image, reference)
    x, y = _float(image).ravel(), _float(reference).ravel()
    variance = float(np.var(x))
    gain = (
        float(np.mean((x - x.mean()) * (y - y.mean()))) / variance if variance else 0.0
    )
    return psnr(gain * (x - x.mean()) + y.mean(), y, data_range)


def ssim(image: Image, reference: Image, data_range: float) -> float:
    """Structural similarity of two planes, as Wang et al. (2004) define it.

    scikit-image with Gaussian weights of sigma 1.5 and population covariance. Planes
    must have `SSIM_SIDE` pixels a side, the size of that window.
    """
    check_alike(image, reference, SSIM_SIDE)
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            _float(image),
            _float(reference),
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _float(image: Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)
