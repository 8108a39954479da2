"""The noise of Real-ESRGAN: of photographs in [0, 1], coloured or gray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diffir_core._base import FrozenConfig
from diffir_training.degradations.base import Image, NonNegativeRange
from diffir_training.degradations.compression import to_8_bit

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]
"""Weights of red, green and blue in gray, ITU-R BT.601."""


class RgbNoise(FrozenConfig):
    """Gaussian noise, or else Poisson noise, of a random strength."""

    gaussian_probability: float = Field(0.5, ge=0, le=1)
    gaussian_sigma: NonNegativeRange = (1.0, 30.0)
    """Standard deviation in levels of 8 bits."""
    poisson_scale: NonNegativeRange = (0.05, 3.0)
    """Multiple of the noise of an image whose photons are its 8-bit levels."""
    gray_probability: float = Field(0.4, ge=0, le=1)
    """How often all channels get the same noise."""

    def add(self, image: Image, generator: np.random.Generator) -> Image:
        """Give the noisy (c, y, x) image, clipped to [0, 1]."""
        gaussian = generator.random() < self.gaussian_probability
        bounds = self.gaussian_sigma if gaussian else self.poisson_scale
        strength = generator.uniform(*bounds)
        gray = generator.random() < self.gray_probability
        if gaussian:
            noise = gaussian_noise(image, strength / 255, generator, gray=gray)
        else:
            noise = poisson_noise(image, strength, generator, gray=gray)
        return np.clip(image + noise, 0, 1).astype(np.float32)


def gaussian_noise(
    image: Image, sigma: float, generator: np.random.Generator, *, gray: bool
) -> NDArray[np.float64]:
    """Draw noise for (c, y, x); gray noise has the shape (1, y, x)."""
    shape = (1, *image.shape[1:]) if gray else image.shape
    return sigma * generator.standard_normal(shape)


def poisson_noise(
    image: Image, scale: float, generator: np.random.Generator, *, gray: bool
) -> NDArray[np.float64]:
    """Draw the noise of (c, y, x) as if each level of the image were one photon.

    There are as many photons at 1 as the image has different 8-bit levels, rounded up
    to a power of 2; hence the variance is ``scale^2 * image / photons``. Gray noise
    is drawn for the image in gray and has the shape (1, y, x).
    """
    levels = to_8_bit(_gray(image) if gray else image)
    light = levels / np.float64(255)
    photons = 2.0 ** np.ceil(np.log2(len(np.unique(levels))))
    return np.asarray(scale * (generator.poisson(photons * light) / photons - light))


def _gray(image: Image) -> Image:
    if len(image) == 3:
        return np.asarray((_LUMA * image).sum(axis=0, keepdims=True), np.float32)
    return np.asarray(image.mean(axis=0, keepdims=True), np.float32)
