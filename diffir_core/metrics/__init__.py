"""How good a restored image is: near its reference, sharp, unbiased, nothing invented.

Small pure functions of arrays. Those that need no reference say so.
"""

from diffir_core.metrics._bias import BiasCurve, bias_by_intensity
from diffir_core.metrics._empty import FalseStructure, empty_field, false_structure
from diffir_core.metrics._fidelity import (
    SSIM_SIDE,
    psnr,
    scale_invariant_psnr,
    ssim,
)
from diffir_core.metrics._flicker import Flicker, flicker
from diffir_core.metrics._range_invariant import range_invariant_ssim
from diffir_core.metrics._residual import autocorrelation
from diffir_core.metrics._resolution import (
    RingCorrelation,
    fourier_ring_correlation,
    resolution,
)

__all__ = [
    "SSIM_SIDE",
    "BiasCurve",
    "FalseStructure",
    "Flicker",
    "RingCorrelation",
    "autocorrelation",
    "bias_by_intensity",
    "empty_field",
    "false_structure",
    "flicker",
    "fourier_ring_correlation",
    "psnr",
    "range_invariant_ssim",
    "resolution",
    "scale_invariant_psnr",
    "ssim",
]
