"""Numbers of one image by one method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffir_core import metrics
from image_quality.pairs import RANGE, Image, Pair


@dataclass(frozen=True, slots=True)
class Scores:
    """How near to the reference, how biased, and what was taken away."""

    psnr: float
    """In dB."""
    scale_invariant_psnr: float
    """In dB, after the best gain and offset."""
    ssim: float
    range_invariant_ssim: float
    gain_error: float
    """Slope of the bias against intensity: -0.1 is a tenth less contrast."""
    bias: float
    """Root mean square of the bias over 16 intensities, in 8-bit counts."""
    residual_lag1: float
    """Autocorrelation of ``noisy - restored``; of the input, that of the noise itself,
    ``noisy - reference``, to which the others compare."""
    residual_lag2: float


def score(pair: Pair, image: Image) -> Scores:
    """Compare an image with the reference, and its residual with noise."""
    noisy, restored = (plane.astype(np.float64) for plane in (pair.noisy, image))
    unchanged = np.array_equal(noisy, restored)
    removed = noisy - (pair.reference if unchanged else restored)
    lag1, lag2 = metrics.autocorrelation(removed, (1, 2))
    bias = metrics.bias_by_intensity(restored, pair.reference)
    return Scores(
        psnr=metrics.psnr(restored, pair.reference, RANGE),
        scale_invariant_psnr=metrics.scale_invariant_psnr(
            restored, pair.reference, RANGE
        ),
        ssim=metrics.ssim(restored, pair.reference, RANGE),
        range_invariant_ssim=metrics.range_invariant_ssim(restored, pair.reference),
        gain_error=bias.gain_error,
        bias=bias.rms,
        residual_lag1=lag1,
        residual_lag2=lag2,
    )
