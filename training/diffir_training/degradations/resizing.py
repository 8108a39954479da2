"""Images of another size: bicubic super-resolution pairs and random resizing."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import AfterValidator

from diffir_core.errors import InputError
from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    PositiveRange,
    ThreeWeights,
    pick,
)

ResizeMode = Literal["area", "bilinear", "bicubic"]


def _around_one(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] <= 1 <= bounds[1]:
        raise ValueError(f"factors of size shrink and enlarge, but {bounds} lacks 1")
    return bounds


FactorRange = Annotated[PositiveRange, AfterValidator(_around_one)]
"""Smallest and largest factor of size, with 1 between them."""
_MODES: tuple[ResizeMode, ...] = ("area", "bilinear", "bicubic")


class BicubicDownscale(DegradationBase):
    """The classic low-resolution image: bicubic with anti-aliasing, nothing random."""

    kind: Literal["bicubic"] = "bicubic"
    scale: Literal[2, 4] = 4
    """Pixels of the target along each side of a pixel of `noisy`."""

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes."""
        return self.scale

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Shrink `noisy`; the target stays large."""
        size = smaller_size(pair.noisy, self.scale)
        small = resize(pair.noisy, size, "bicubic", antialias=True)
        return replace(pair, noisy=small)


def resize(
    image: Image, size: tuple[int, int], mode: ResizeMode, *, antialias: bool = False
) -> Image:
    """Resize (c, y, x) to this (y, x) size; bicubic may leave the range a little.

    Without `antialias`, bilinear and bicubic alias where they shrink, as Real-ESRGAN
    means them to.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image))[None]
    if mode == "area":
        resized = F.interpolate(tensor, size, mode="area")
    else:
        resized = F.interpolate(
            tensor, size, mode=mode, align_corners=False, antialias=antialias
        )
    return np.asarray(resized[0].numpy(), dtype=np.float32)


def resize_randomly(
    image: Image, size: tuple[int, int], generator: np.random.Generator
) -> Image:
    """Resize by area, bilinear or bicubic interpolation, each as likely."""
    return resize(image, size, _MODES[int(generator.integers(len(_MODES)))])


def draw_factor(
    weights: ThreeWeights, bounds: tuple[float, float], generator: np.random.Generator
) -> float:
    """Draw a factor of size: up to `bounds[1]`, down to `bounds[0]`, or 1.

    The three weights are the probabilities of these cases.
    """
    case = pick(weights, generator)
    if case == 0:
        return float(generator.uniform(1.0, bounds[1]))
    return float(generator.uniform(bounds[0], 1.0)) if case == 1 else 1.0


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Give the size times the factor, rounded down, at least one pixel."""
    return max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)


def smaller_size(image: Image, scale: int) -> tuple[int, int]:
    """Give the (y, x) size divided by the scale, which must divide it."""
    y, x = image.shape[-2:]
    if y % scale or x % scale:
        raise InputError(
            f"An image of {y} x {x} pixels cannot be shrunk {scale} times; choose a "
            f"patch size that is a multiple of {scale}."
        )
    return y // scale, x // scale
