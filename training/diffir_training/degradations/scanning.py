"""A scanning microscope: one detector, slower than the beam, line by line.

The noise of two nerves in `axondeepseg_sem` that were not resampled is correlated by
0.74, 0.31 and 0.04 with the next pixels of its line and by 0.15 with the next line: as
white noise that was blurred by 0.9 pixels along the lines and by 0.44 across. In those
that were resampled neighbours share 0.6 along both axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    NonNegativeRange,
    PositiveRange,
    Range,
    log_uniform,
)
from diffir_training.degradations.correlated_noise import blurred_noise
from diffir_training.degradations.exposure import (
    Camera,
    draw_gain,
    seen_pair,
    whole_image_mapping,
)


class ScanNoise(DegradationBase):
    """Ranges that a scanning microscope is drawn from, one a patch.

    ``counts = gain * (signal + blurred(Poisson(signal) - signal + read) + line) +
    offset`` with ``signal = electrons * (clean + background)``, rounded and clipped.
    X is the axis of the scan, but in images that were turned. The target is the mean
    of many such scans, both images are in model units.
    """

    kind: Literal["scan"] = "scan"
    electrons: PositiveRange = (2.0, 1000.0)
    """Electrons at clean = 1, be they a specimen's or a photocathode's; drawn uniformly
    on a logarithmic scale."""
    background: NonNegativeRange = (0.0, 1.0)
    """What falls in everywhere, as a fraction of clean = 1."""
    read_noise: NonNegativeRange = (0.0, 2.0)
    """Deviation of the read noise, in electrons."""
    blurred_fraction: float = Field(0.8, ge=0, le=1)
    """How often noise is correlated between neighbours."""
    resampled_fraction: float = Field(0.2, ge=0, le=1)
    """How often, then, it is so along both axes alike, as the image was resampled."""
    scan_blur_pixels: NonNegativeRange = (0.0, 1.3)
    """The blur of the noise along the scan (and along Y, where resampled)."""
    cross_blur_pixels: NonNegativeRange = (0.0, 0.5)
    """The blur of the noise from line to line."""
    line_fraction: float = Field(0.3, ge=0, le=1)
    """How often whole lines are brighter or dimmer than they should be."""
    line_noise: NonNegativeRange = (0.0, 0.4)
    """Deviation of that, as a fraction of that of the pixels' noise at clean = 1."""
    bits: tuple[Literal[8, 12, 16], ...] = Field((8, 8, 8, 16), min_length=1)
    """Bit depths to choose from; a repeated one is chosen more often."""
    black_level: Range = (-0.04, 0.2)
    """Offset, as a fraction of the full scale; below 0 clips."""
    turned_fraction: float = Field(0.0, ge=0, le=1)
    """How often the image was turned afterwards, so that Y is the axis of the scan."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Scan every channel once; the target is the mean of many scans."""
        scanner = draw_scanner(self, generator)
        mapping = whole_image_mapping(scanner.detector, generator)
        axes = (0, 2, 1) if self._draw_turned(generator) else (0, 1, 2)
        planes = pair.noisy.transpose(axes)
        counts = np.stack([scanner.scan(plane, generator) for plane in planes])
        counts = counts.transpose(axes)
        return seen_pair(pair, counts, scanner.detector, mapping)

    def _draw_turned(self, generator: np.random.Generator) -> bool:
        # Nothing is drawn at 0: older recipes go on to draw the numbers that they drew.
        return self.turned_fraction > 0 and generator.random() < self.turned_fraction


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scanning microscope, drawn from `ScanNoise`."""

    detector: Camera
    """Its gain, offset and noise, but for what neighbours share."""
    blur_pixels: tuple[float, float]
    """The blur that correlates the noise, along (y, x)."""
    line_noise: float
    """Deviation of what whole lines are off by, in electrons."""

    def scan(self, clean: Image, generator: np.random.Generator) -> Image:
        """Take one noisy image of a (y, x) image: integer counts as float32."""
        detector = self.detector
        light = np.maximum(clean + detector.background, 0)
        signal = detector.photons * light.astype(np.float64)
        shot = generator.poisson(signal) - signal
        read = detector.read_noise * generator.standard_normal(clean.shape)
        lines = self.line_noise * generator.standard_normal((clean.shape[0], 1))
        noise = blurred_noise(shot + read, self.blur_pixels) + lines
        counts = np.rint(detector.gain * (signal + noise) + detector.offset)
        return np.asarray(np.clip(counts, 0, detector.full_scale), dtype=np.float32)


def draw_scanner(ranges: ScanNoise, generator: np.random.Generator) -> Scanner:
    """Draw one scanning microscope from the ranges."""
    detector = _draw_detector(ranges, generator)
    noise_electrons = detector.noise_std(1.0) / detector.gain
    lines = generator.random() < ranges.line_fraction
    line_noise = generator.uniform(*ranges.line_noise) if lines else 0.0
    return Scanner(
        detector, _draw_blur(ranges, generator), line_noise * noise_electrons
    )


def _draw_detector(ranges: ScanNoise, generator: np.random.Generator) -> Camera:
    electrons = log_uniform(ranges.electrons, generator)
    background = generator.uniform(*ranges.background)
    bits = int(generator.choice(ranges.bits))
    return Camera(
        photons=electrons,
        background=background,
        read_noise=generator.uniform(*ranges.read_noise),
        correlation_pixels=0.0,
        hot_pixels=0,
        gain=draw_gain(electrons * (1 + background), bits, generator),
        offset=generator.uniform(*ranges.black_level) * (2**bits - 1),
        full_scale=2**bits - 1,
    )


def _draw_blur(
    ranges: ScanNoise, generator: np.random.Generator
) -> tuple[float, float]:
    if generator.random() >= ranges.blurred_fraction:
        return 0.0, 0.0
    along = generator.uniform(*ranges.scan_blur_pixels)
    if generator.random() < ranges.resampled_fraction:
        return along, along
    return generator.uniform(*ranges.cross_blur_pixels), along
