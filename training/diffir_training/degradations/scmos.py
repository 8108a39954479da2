"""An sCMOS camera: every pixel has its own gain, offset and read noise.

The model is that of Huang et al., "Video-rate nanoscopy using sCMOS camera-specific
single-molecule localization algorithms", Nature Methods 10 (2013), with the noise that
rows and columns share through their amplifiers, and with hot pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    FractionRange,
    Image,
    NonNegativeRange,
    PositiveRange,
    Range,
    log_uniform,
)
from diffir_training.degradations.correlated_noise import unit_noise
from diffir_training.degradations.exposure import (
    Camera,
    draw_gain,
    seen_pair,
    whole_image_mapping,
)


class ScmosNoise(DegradationBase):
    """Ranges that an sCMOS camera and the part of it under a patch are drawn from.

    ``electrons = gain_map * Poisson(photons * (clean + background)) + offset_map
    + read_noise_map * blurred + row + column``, and ``counts = gain * electrons +
    offset``, rounded and clipped. All channels (or planes of a stack) are taken by the
    same pixels. The target is what a camera of equal pixels gives on average, so that
    the fixed pattern counts as noise; both images are in model units.
    """

    kind: Literal["scmos"] = "scmos"
    photons: PositiveRange = (1.0, 600.0)
    """Photoelectrons at clean = 1; drawn uniformly on a logarithmic scale."""
    background: NonNegativeRange = (0.0, 0.3)
    """Background light, as a fraction of clean = 1."""
    read_noise: NonNegativeRange = (0.7, 2.5)
    """Median over the pixels of the read noise's deviation, in electrons."""
    read_noise_tail: NonNegativeRange = (0.1, 0.5)
    """Deviation of the logarithm of that deviation: its long tail of noisy pixels."""
    gain_spread: NonNegativeRange = (0.0, 0.03)
    """Deviation of the pixels' gains around 1."""
    offset_spread: NonNegativeRange = (0.0, 1.5)
    """Deviation of the pixels' offsets, in electrons."""
    row_noise: NonNegativeRange = (0.0, 0.5)
    """Deviation of the noise that a whole row shares in one exposure, in electrons."""
    column_noise: NonNegativeRange = (0.0, 0.5)
    """The same for a column."""
    correlated_fraction: float = Field(0.15, ge=0, le=1)
    """How often the read noise is blurred, as by a correction inside the camera."""
    correlation_pixels: PositiveRange = (0.4, 0.9)
    """Deviation of that blur, in pixels."""
    hot_pixel_fraction: FractionRange = (0.0, 0.001)
    """Fraction of the pixels that are hot."""
    hot_pixel_level: FractionRange = (0.05, 1.0)
    """What a hot pixel adds, as a fraction of the full scale."""
    bits: tuple[Literal[8, 12, 16], ...] = Field((12, 16), min_length=1)
    """Bit depths to choose from; a repeated one is chosen more often."""
    black_level: Range = (0.0, 0.06)
    """Offset, as a fraction of the full scale of the camera; below 0 clips."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Expose every channel once; the target is free of noise and of the pattern."""
        sensor = draw_sensor(self, pair.noisy.shape[-2:], generator)
        mapping = whole_image_mapping(sensor.camera, generator)
        counts = np.stack([sensor.expose(plane, generator) for plane in pair.noisy])
        return seen_pair(pair, counts, sensor.camera, mapping)


@dataclass(frozen=True, slots=True)
class ScmosSensor:
    """The pixels under one patch, drawn from `ScmosNoise`; maps are float64 (y, x)."""

    camera: Camera
    """The average pixel: its read noise is the root mean square of all that is read."""
    gain_map: NDArray[np.float64]
    """Relative gains, around 1."""
    offset_map: NDArray[np.float64]
    """Offsets around 0, in electrons."""
    read_noise_map: NDArray[np.float64]
    """Deviations of the read noise, in electrons."""
    hot_map: NDArray[np.float64]
    """Counts that hot pixels add; 0 elsewhere."""
    row_noise: float
    column_noise: float

    def expose(self, clean: Image, generator: np.random.Generator) -> Image:
        """Take one noisy frame of a (y, x) image: integer counts as float32."""
        camera = self.camera
        light = np.maximum(clean + camera.background, 0)
        electrons = self.gain_map * generator.poisson(camera.photons * light)
        electrons += self.offset_map + self._read(clean.shape, generator)
        counts = camera.gain * electrons + camera.offset + self.hot_map
        counts = np.clip(np.rint(counts), 0, camera.full_scale)
        return np.asarray(counts, dtype=np.float32)

    def _read(
        self, shape: tuple[int, ...], generator: np.random.Generator
    ) -> NDArray[np.float64]:
        pixels = unit_noise(shape, self.camera.correlation_pixels, generator)
        rows = self.row_noise * generator.standard_normal((shape[0], 1))
        columns = self.column_noise * generator.standard_normal((1, shape[1]))
        return self.read_noise_map * pixels + rows + columns


def draw_sensor(
    ranges: ScmosNoise, shape: tuple[int, ...], generator: np.random.Generator
) -> ScmosSensor:
    """Draw the camera and its pixels under a patch of this (y, x) shape.

    Gains and offsets are Gaussian, read noise is log-normal.
    """
    row, column = (
        generator.uniform(*bounds) for bounds in (ranges.row_noise, ranges.column_noise)
    )
    tail = generator.uniform(*ranges.read_noise_tail)
    median = generator.uniform(*ranges.read_noise)
    # A log-normal of this median and tail has the mean square median^2 exp(2 tail^2).
    total = np.sqrt(median**2 * np.exp(2 * tail**2) + row**2 + column**2)
    camera = _draw_average_pixel(ranges, float(total), generator)
    gain_spread = generator.uniform(*ranges.gain_spread)
    offset_spread = generator.uniform(*ranges.offset_spread)
    return ScmosSensor(
        camera=camera,
        gain_map=1 + gain_spread * generator.standard_normal(shape),
        offset_map=offset_spread * generator.standard_normal(shape),
        read_noise_map=median * np.exp(tail * generator.standard_normal(shape)),
        hot_map=_draw_hot_pixels(ranges, shape, generator) * camera.full_scale,
        row_noise=row,
        column_noise=column,
    )


def _draw_average_pixel(
    ranges: ScmosNoise, read_noise: float, generator: np.random.Generator
) -> Camera:
    photons = log_uniform(ranges.photons, generator)
    background = generator.uniform(*ranges.background)
    bits = int(generator.choice(ranges.bits))
    correlated = generator.random() < ranges.correlated_fraction
    blur = generator.uniform(*ranges.correlation_pixels) if correlated else 0.0
    return Camera(
        photons=photons,
        background=background,
        read_noise=read_noise,
        correlation_pixels=blur,
        hot_pixels=0,  # They have a map of their own.
        gain=draw_gain(photons * (1 + background), bits, generator),
        offset=generator.uniform(*ranges.black_level) * (2**bits - 1),
        full_scale=2**bits - 1,
    )


def _draw_hot_pixels(
    ranges: ScmosNoise, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64]:
    hot = generator.random(shape) < generator.uniform(*ranges.hot_pixel_fraction)
    return np.where(hot, generator.uniform(*ranges.hot_pixel_level, size=shape), 0.0)
