"""Structural similarity that does not depend on how bright an image was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.metrics._checks import check_alike

Float64 = NDArray[np.float64]
_BACKGROUND_PERCENTILE = 3.0
_SIGMA = 1.5
_TRUNCATE = 3.5
_C1, _C2 = 0.01**2, 0.03**2
_SEARCHED = float(np.log(4.0))
"""How far the best gain may be from the one with the least squared error."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Local means, variances and covariance of an image x and a reference y."""

    x: Float64
    y: Float64
    xx: Float64
    yy: Float64
    xy: Float64


def range_invariant_ssim(image: NDArray[Any], reference: NDArray[Any]) -> float:
    """Give the SSIM of two planes after background and gain, which are matched first.

    After the idea of MicroSSIM (Ashesh, Deschout and Jug, ECCV workshops 2024): the
    background, the 3rd percentile, is taken off both, the reference's greatest value
    becomes 1, and the gain of the image is the one with the greatest mean SSIM. The
    plain SSIM of microscopy is near 1 for any two dim images, or small because of an
    offset; this is neither. Windows are Gaussian with sigma 1.5 (Wang et al., 2004).

    Unlike MicroSSIM the gain is found for each image, not once for a data set.

    Parameters
    ----------
    image, reference
        (y, x) of the same shape, in any linear units.
    """
    from scipy.optimize import minimize_scalar

    check_alike(image, reference)
    x, y = (_above_background(plane) for plane in (image, reference))
    y = y / (float(y.max()) or 1.0)
    moments = _moments(_of_least_error(x, y), y)
    best = minimize_scalar(
        lambda log_gain: -_mean_ssim(moments, float(np.exp(log_gain))),
        bounds=(-_SEARCHED, _SEARCHED),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return -float(best.fun)


def _above_background(image: NDArray[Any]) -> Float64:
    values = np.asarray(image, np.float64)
    return values - float(np.percentile(values, _BACKGROUND_PERCENTILE))


def _of_least_error(x: Float64, y: Float64) -> Float64:
    """Scale x to come near to y; an x that is unlike y keeps its own range."""
    product, power = float(np.vdot(x, y)), float(np.vdot(x, x))
    return x * (product / power) if product > 0 else x / (float(x.max()) or 1.0)


def _moments(x: Float64, y: Float64) -> _Moments:
    from scipy.ndimage import gaussian_filter

    def blurred(plane: Float64) -> Float64:
        return np.asarray(gaussian_filter(plane, _SIGMA, truncate=_TRUNCATE))

    mean_x, mean_y = blurred(x), blurred(y)
    return _Moments(
        mean_x,
        mean_y,
        blurred(x * x) - mean_x**2,
        blurred(y * y) - mean_y**2,
        blurred(x * y) - mean_x * mean_y,
    )


def _mean_ssim(m: _Moments, gain: float) -> float:
    """Average the SSIM of ``gain * x`` and y: their moments are known for any gain."""
    means = (2 * gain * m.x * m.y + _C1) / ((gain * m.x) ** 2 + m.y**2 + _C1)
    spreads = (2 * gain * m.xy + _C2) / (gain**2 * m.xx + m.yy + _C2)
    return float(np.mean(means * spreads))
