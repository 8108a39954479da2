"""One exposure by one detector: its counts, their mean, and both in model units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffir_core.intensity import IntensityMapping
from diffir_training.degradations.base import Degraded, Image, log_uniform
from diffir_training.degradations.clipping import mean_of_clipped
from diffir_training.degradations.correlated_noise import smeared, unit_noise


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera, or another detector; counts are its digital numbers."""

    photons: float
    background: float
    read_noise: float
    correlation_pixels: float
    hot_pixels: int
    gain: float
    offset: float
    full_scale: int
    scan_correlation: float = 0.0

    def expected(self, clean: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the mean of many exposures of a clean image: what restoration aims at.

        Each is clipped to the camera's range, as in averaged frames; hot pixels and
        rounding are left out.
        """
        photons = self.photons * np.maximum(clean + self.background, 0)
        counts = mean_of_clipped(
            photons.astype(np.float64),
            self.gain,
            self.read_noise,
            self.offset,
            self.full_scale,
        )
        return counts.astype(np.float32)

    def expose(
        self, clean: NDArray[np.float32], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """Take one noisy frame of a clean image: integer counts as float32."""
        # A blur before may leave values of -1e-9, but there is no negative light.
        light = np.maximum(clean + self.background, 0)
        photons = generator.poisson(self.photons * light)
        read = self.read_noise * unit_noise(
            clean.shape, self.correlation_pixels, generator
        )
        noise = smeared(photons - self.photons * light + read, self.scan_correlation)
        counts = self.gain * (self.photons * light + noise) + self.offset
        for _ in range(self.hot_pixels):
            row, column = (generator.integers(0, size) for size in clean.shape)
            counts[row, column] += generator.uniform(0.3, 1.0) * self.full_scale
        counts = np.clip(np.rint(counts), 0, self.full_scale)
        return np.asarray(counts, dtype=np.float32)

    def noise_std(self, clean: float) -> float:
        """Give the standard deviation of the counts where the image has this value."""
        variance = self.photons * (clean + self.background) + self.read_noise**2
        return float(self.gain * np.sqrt(variance))


def draw_gain(photons: float, bits: int, generator: np.random.Generator) -> float:
    """Draw counts per photon, such that so many photons fill part of the full scale.

    Cameras of 16 bits are rarely filled; those of 8 are set until they nearly are.
    """
    exposure = (
        generator.uniform(0.3, 1.0) if bits < 16 else generator.uniform(0.02, 0.8)
    )
    return float(exposure * (2**bits - 1) / photons)


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
    span = max(high - max(low, 0.0), _least_span(camera))
    scale = span * log_uniform((0.7, 1.4), generator)
    return IntensityMapping(offset=max(low, 0.0), scale=scale)


def _least_span(camera: Camera) -> float:
    """Give what an image spans of which a negative black level cuts nearly all.

    Its noise still reaches above 0. Without such a cut no image spans less than its
    signal, which is why the noise alone does not count: it may be stronger.
    """
    signal = camera.gain * camera.photons
    return max(min(camera.noise_std(1.0), signal), 1.0)


def seen_pair(
    pair: Degraded, counts: Image, camera: Camera, mapping: IntensityMapping
) -> Degraded:
    """Give counts, and the means of many exposures of the targets, in model units."""

    def mean(target: Image) -> Image:
        return mapping.to_model(camera.expected(target))

    real = None if pair.real is None else mean(pair.real)
    return Degraded(mapping.to_model(counts), mean(pair.clean), real)
