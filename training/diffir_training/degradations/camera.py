"""Which cameras spoil a clean image: photons, gain, read noise, offset, bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from diffir_core._base import FrozenConfig
from diffir_training.degradations.base import (
    CorrelationRange,
    DegradationBase,
    Degraded,
    NonNegativeRange,
    PositiveRange,
    Range,
    log_uniform,
)
from diffir_training.degradations.exposure import (
    Camera,
    draw_gain,
    seen_pair,
    whole_image_mapping,
)


class ReadLimited(FrozenConfig):
    """Cameras whose read noise outweighs shot noise, as of some widefield microscopes.

    Their noise is nearly Gaussian and, where pixels were interpolated or binned by the
    camera, correlated over about two of them.
    """

    fraction: float = Field(0.2, ge=0, le=1)
    """How often a patch is seen by one."""
    over_shot: PositiveRange = (1.0, 6.0)
    """Deviation of the read noise over that of the shot noise at clean = 1; drawn
    uniformly on a logarithmic scale."""
    correlated_fraction: float = Field(0.7, ge=0, le=1)
    """How often it is correlated."""
    correlation_pixels: PositiveRange = (0.4, 1.3)
    """The blur that correlates it."""


class CameraNoise(DegradationBase):
    """Ranges that a Poisson-Gaussian camera is drawn from, one camera a patch.

    ``counts = gain * (Poisson(photons * (clean + background)) + read) + offset``,
    rounded and clipped to the camera's bits. `clean` is 0 at the background and 1 at
    the bright end of its image. Every channel is seen by the same camera; both images
    of the pair are given in the model units that the camera's counts would have.
    """

    kind: Literal["camera"] = "camera"
    photons: PositiveRange = (1.0, 600.0)
    """Photons at clean = 1; drawn uniformly on a logarithmic scale."""
    background: NonNegativeRange = (0.0, 0.3)
    """Background light, as a fraction of clean = 1."""
    read_noise: NonNegativeRange = (0.0, 4.0)
    """Standard deviation of the read noise, in photons: a value of this range times a
    uniform number from 0 to 1, so half of it on average and never above the upper end.
    It is so for all shipped models. For a read noise that you have measured, take
    `ScmosNoise`, whose range is that of the noise itself."""
    correlated_fraction: float = Field(0.15, ge=0, le=1)
    """How often the read noise is correlated between neighbours, as in some sCMOS."""
    scan_fraction: float = Field(0.0, ge=0, le=1)
    """How often all noise is correlated along X, as where a point detector is slower
    than the scan of a confocal microscope."""
    scan_correlation: CorrelationRange = (0.0, 0.15)
    """That correlation, of a pixel's noise with the next one's; at most 0.7."""
    read_limited: ReadLimited | None = None
    """Cameras of another kind, some of the time."""
    hot_pixel_fraction: float = Field(0.15, ge=0, le=1)
    """How often a patch has a few hot pixels."""
    bits: tuple[Literal[8, 12, 16], ...] = Field((8, 8, 12, 16), min_length=1)
    """Bit depths to choose from; a repeated one is chosen more often."""
    black_level: Range = (-0.03, 0.12)
    """Offset, as a fraction of the full scale of the camera; below 0 clips."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Expose every channel once; the target is the mean of many exposures."""
        camera = draw_camera(self, generator)
        mapping = whole_image_mapping(camera, generator)
        counts = np.stack([camera.expose(plane, generator) for plane in pair.noisy])
        return seen_pair(pair, counts, camera, mapping)


def draw_camera(ranges: CameraNoise, generator: np.random.Generator) -> Camera:
    """Draw one camera from the ranges."""
    photons = log_uniform(ranges.photons, generator)
    background = generator.uniform(*ranges.background)
    bits = int(generator.choice(ranges.bits))
    full_scale = 2**bits - 1
    gain = draw_gain(photons * (1 + background), bits, generator)
    correlated = generator.random() < ranges.correlated_fraction
    hot = generator.random() < ranges.hot_pixel_fraction
    scanned = ranges.scan_fraction > 0 and generator.random() < ranges.scan_fraction
    camera = Camera(
        photons=photons,
        background=background,
        read_noise=generator.uniform(*ranges.read_noise) * generator.random(),
        correlation_pixels=generator.uniform(0.4, 0.9) if correlated else 0.0,
        hot_pixels=int(generator.integers(1, 6)) if hot else 0,
        gain=gain,
        offset=generator.uniform(*ranges.black_level) * full_scale,
        full_scale=full_scale,
        scan_correlation=generator.uniform(*ranges.scan_correlation) if scanned else 0,
    )
    limited = ranges.read_limited
    if limited is None or generator.random() >= limited.fraction:
        return camera
    return _limited_by_reading(camera, limited, generator)


def _limited_by_reading(
    camera: Camera, ranges: ReadLimited, generator: np.random.Generator
) -> Camera:
    shot_noise = np.sqrt(camera.photons * (1 + camera.background))
    correlated = generator.random() < ranges.correlated_fraction
    blur = generator.uniform(*ranges.correlation_pixels)
    return replace(
        camera,
        read_noise=float(shot_noise * log_uniform(ranges.over_shot, generator)),
        correlation_pixels=blur if correlated else 0.0,
        scan_correlation=0.0,
    )
