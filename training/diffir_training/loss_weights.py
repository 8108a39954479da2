"""How much each term of an adversarial stage counts, as values of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from diffir_core._base import FrozenConfig


class SuperResolutionWeights(FrozenConfig):
    """Weights of the generator's terms; the defaults are the official ones."""

    pixel: float = Field(1.0, ge=0)
    distillation: float = Field(1.0, ge=0)
    perceptual: float = Field(1.0, ge=0)
    adversarial: float = Field(1.0, ge=0)
    """Real-ESRGAN itself takes 0.1."""


class InpaintingWeights(FrozenConfig):
    """Weights of the terms of both sides; the defaults are the official ones."""

    known: float = Field(10.0, ge=0)
    """Of the L1 on known pixels; there is none in the holes."""
    adversarial: float = Field(10.0, ge=0)
    """Of the generator's adversarial term; the discriminator's has weight 1."""
    r1: float = Field(0.001, ge=0)
    """Of the gradient penalty of the discriminator."""
    feature_matching: float = Field(100.0, ge=0)
    feature_distance: Literal["l1", "l2"] = "l1"
    """Absolute differences as pix2pixHD, or squared ones as the code of LaMa."""
    perceptual: float = Field(30.0, ge=0)
    distillation: float = Field(1.0, ge=0)
