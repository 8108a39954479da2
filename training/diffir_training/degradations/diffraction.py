"""The PSF of an objective: diffraction at its pupil, defocus, spherical aberration.

Scalar and paraxial (Born & Wolf, Principles of Optics, 8.5 and 9.2): the PSF of
incoherent light is |FT(P)|^2 of the pupil

    P(rho) = exp(2 pi i (W20 rho^2 + W40 (rho^4 - rho^2))), rho <= 1,

with the aberrations in waves at its edge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator

from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    NonNegativeRange,
    Range,
)
from diffir_training.degradations.optics import convolve_mirrored

_LEAST_AIRY_RADIUS_PX = 1.22
"""Below, the pupil is larger than what pixels sample of its light's phase."""
_AIRY_RADIUS_NA = 0.61
"""Of the first dark ring, in wavelengths over the numerical aperture."""
_FOCUSED_RADII = 4.0
_WAVE_RADII = 3.5
"""How far the PSF reaches, in Airy radii: in focus, and further for each wave."""


def _sampled(radii: tuple[float, float]) -> tuple[float, float]:
    if radii[0] < _LEAST_AIRY_RADIUS_PX:
        raise ValueError(f"pixels sample Airy radii from 1.22 on, not {radii[0]:g}")
    return radii


class DiffractionBlur(DegradationBase):
    """The PSF of an objective that may be out of focus, the same for all channels."""

    kind: Literal["diffraction"] = "diffraction"
    airy_radius_pixels: Annotated[Range, AfterValidator(_sampled)] = (1.5, 5.0)
    """Of the first dark ring in focus: 0.61 wavelength / NA / pixel size."""
    defocus_waves: NonNegativeRange = (0.0, 1.0)
    """W20 of a plane at a distance z from the focus: NA^2 z / (2 n wavelength)."""
    spherical_waves: Range = (0.0, 0.0)
    """Of primary spherical aberration, W40, balanced by defocus."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Blur `noisy`; mirrored borders keep its sum."""
        ranges = (self.airy_radius_pixels, self.defocus_waves, self.spherical_waves)
        psf = diffraction_psf(*(generator.uniform(*bounds) for bounds in ranges))
        return replace(pair, noisy=convolve_mirrored(pair.noisy, psf))


def diffraction_psf(
    airy_radius_pixels: float, defocus_waves: float, spherical_waves: float
) -> Image:
    """Give a PSF, float32 (y, x), odd in both, its sum 1."""
    waves = defocus_waves + abs(spherical_waves)
    radii = _FOCUSED_RADII + _WAVE_RADII * waves
    size = 2 * int(np.ceil(radii * airy_radius_pixels)) + 1
    frequency = np.fft.fftfreq(size)  # In cycles a pixel.
    cutoff = _AIRY_RADIUS_NA / airy_radius_pixels
    rho = np.hypot(frequency[:, None], frequency) / cutoff
    # A pupil of few samples has a soft edge.
    amplitude = np.clip((1 - rho) * cutoff * size + 0.5, 0, 1)
    phase = defocus_waves * rho**2 + spherical_waves * (rho**4 - rho**2)
    field = np.fft.ifft2(amplitude * np.exp(2j * np.pi * phase))
    psf = np.fft.fftshift(np.abs(field) ** 2)
    return np.asarray(psf / psf.sum(), np.float32)
