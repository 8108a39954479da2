"""How a camera spoils a clean image: photons, gain, read noise, offset, bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from diffir_core._base import FrozenConfig
from diffir_core.intensity import IntensityMapping

Range = tuple[float, float]


class CameraNoise(FrozenConfig):
    """Ranges that a Poisson-Gaussian camera is drawn from, one camera a patch.

    ``counts = gain * (Poisson(photons * (clean + background)) + read) + offset``,
    rounded and clipped to the camera's bits. `clean` is 0 at the background and 1 at
    the bright end of its image.
    """

    photons: Range = (1.0, 600.0)
    """Photons at clean = 1; drawn uniformly on a logarithmic scale."""
    background: Range = (0.0, 0.3)
    """Background light, as a fraction of clean = 1."""
    read_noise: Range = (0.0, 4.0)
    """Standard deviation of the read noise, in photons."""
    correlated_fraction: float = Field(0.15, ge=0, le=1)
    """How often the read noise is correlated between neighbours, as in some sCMOS."""
    hot_pixel_fraction: float = Field(0.15, ge=0, le=1)
    """How often a patch has a few hot pixels."""
    bits: tuple[Literal[8, 12, 16], ...] = (8, 8, 12, 16)
    """Bit depths to choose from; a repeated one is chosen more often."""
    black_level: Range = (-0.03, 0.12)
    """Offset, as a fraction of the full scale of the camera; below 0 clips."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera, drawn from `CameraNoise`; counts are its digital numbers."""

    photons: float
    background: float
    read_noise: float
    correlation_pixels: float
    hot_pixels: int
    gain: float
    offset: float
    full_scale: int

    def expected(self, clean: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the mean counts of a clean image: what restoration aims at."""
        photons = self.photons * (clean + self.background)
        return (self.gain * photons + self.offset).astype(np.float32)

    def expose(
        self, clean: NDArray[np.float32], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """Take one noisy frame of a clean image: integer counts as float32."""
        photons = generator.poisson(self.photons * (clean + self.background))
        read = self._read_noise(clean.shape, generator)
        counts = self.gain * (photons + read) + self.offset
        for _ in range(self.hot_pixels):
            row, column = (generator.integers(0, size) for size in clean.shape)
            counts[row, column] += generator.uniform(0.3, 1.0) * self.full_scale
        return np.clip(np.rint(counts), 0, self.full_scale).astype(np.float32)

    def noise_std(self, clean: float) -> float:
        """Give the standard deviation of the counts where the image has this value."""
        variance = self.photons * (clean + self.background) + self.read_noise**2
        return float(self.gain * np.sqrt(variance))

    def _read_noise(
        self, shape: tuple[int, ...], generator: np.random.Generator
    ) -> NDArray[np.float64]:
        noise = generator.standard_normal(shape)
        if self.correlation_pixels > 0:
            noise = ndimage.gaussian_filter(noise, self.correlation_pixels, mode="wrap")
            noise /= noise.std()
        return noise * self.read_noise


def draw_camera(ranges: CameraNoise, generator: np.random.Generator) -> Camera:
    """Draw one camera from the ranges."""
    photons = _log_uniform(ranges.photons, generator)
    background = generator.uniform(*ranges.background)
    bits = int(generator.choice(ranges.bits))
    full_scale = 2**bits - 1
    exposure = (
        generator.uniform(0.3, 1.0) if bits < 16 else generator.uniform(0.02, 0.8)
    )
    correlated = generator.random() < ranges.correlated_fraction
    hot = generator.random() < ranges.hot_pixel_fraction
    return Camera(
        photons=photons,
        background=background,
        read_noise=generator.uniform(*ranges.read_noise) * generator.random(),
        correlation_pixels=generator.uniform(0.4, 0.9) if correlated else 0.0,
        hot_pixels=int(generator.integers(1, 6)) if hot else 0,
        gain=exposure * full_scale / (photons * (1 + background)),
        offset=generator.uniform(*ranges.black_level) * full_scale,
        full_scale=full_scale,
    )


def whole_image_mapping(
    camera: Camera, generator: np.random.Generator
) -> IntensityMapping:
    """Draw an intensity mapping such as the whole image's percentiles would give.

    A patch alone cannot know them: the low one lies under the background by some of
    its noise, the high one near clean = 1 with some of its noise on top.
    """
    background = camera.gain * camera.photons * camera.background + camera.offset
    low = background - generator.uniform(0.0, 2.5) * camera.noise_std(0.0)
    peak = background + camera.gain * camera.photons
    high = peak + generator.uniform(0.0, 2.5) * camera.noise_std(1.0)
    scale = (high - max(low, 0.0)) * _log_uniform((0.7, 1.4), generator)
    return IntensityMapping(offset=max(low, 0.0), scale=scale)


def _log_uniform(bounds: Range, generator: np.random.Generator) -> float:
    return float(np.exp(generator.uniform(*np.log(bounds))))
