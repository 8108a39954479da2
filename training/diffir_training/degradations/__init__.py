"""Every way in which training spoils a clean image, each a config with its ranges.

``config.apply(clean, generator)`` gives a `Degraded` pair. Images are float32,
(channels, y, x). In microscopy 0 is the background and 1 the bright end; photographs
lie in [0, 1]. In a chain the order is that of nature: bleaching, optics, binning, then
the camera, whose pair is in model units, then what software does, then masks.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from diffir_training.degradations.base import DegradationBase, Degraded, pick
from diffir_training.degradations.blanking import Blanked
from diffir_training.degradations.bleaching import Bleaching, bleaching_factors
from diffir_training.degradations.camera import CameraNoise, ReadLimited, draw_camera
from diffir_training.degradations.compression import JpegCompression
from diffir_training.degradations.diffraction import DiffractionBlur
from diffir_training.degradations.exposure import Camera, whole_image_mapping
from diffir_training.degradations.masking import Inpainting, SensorDefects
from diffir_training.degradations.optics import Binning, GaussianBlur, MeasuredPsfBlur
from diffir_training.degradations.processing import Processed
from diffir_training.degradations.real_esrgan import RealEsrgan
from diffir_training.degradations.resizing import BicubicDownscale
from diffir_training.degradations.scanning import ScanNoise
from diffir_training.degradations.scmos import ScmosNoise
from diffir_training.degradations.warping import Warped


class Chain(DegradationBase):
    """Several degradations, one after the other.

    The first makes `noisy` of the image, each further one makes it worse. The target
    is blurred, shrunk or made noisy by none; it only follows into other units, and
    through what software did after the exposure (`processed`, `warped`, `blanked`).
    """

    kind: Literal["chain"] = "chain"
    steps: tuple[Degradation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _masks_come_last(self) -> Self:
        # A later step would take the mask for a channel of the image.
        for step in self.steps[:-1]:
            if (kind := _mask_of(step)) is not None:
                raise ValueError(f"{kind} adds a mask; let it be the last of the steps")
        return self

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes, by all steps together."""
        return prod(step.shrinking for step in self.steps)

    def check_files(self) -> None:
        """Read the files that any step needs."""
        for step in self.steps:
            step.check_files()

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Apply every step to the pair that the one before gave."""
        for step in self.steps:
            pair = step.degrade(pair, generator)
        return pair


class OneOf(DegradationBase):
    """One of several degradations, drawn anew for every patch."""

    kind: Literal["one_of"] = "one_of"
    choices: tuple[Degradation, ...] = Field(min_length=1)
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    """How often each is drawn, relative to the others."""

    @model_validator(mode="after")
    def _a_weight_for_each(self) -> Self:
        if len(self.weights) != len(self.choices):
            raise ValueError(
                f"{len(self.choices)} choices need as many weights, not "
                f"{len(self.weights)}"
            )
        if len({_mask_of(choice) for choice in self.choices}) > 1:
            raise ValueError("either all choices add the same mask, or none does")
        return self

    @model_validator(mode="after")
    def _all_give_the_same_size(self) -> Self:
        # Patches of a batch are stacked, and the network has one scale.
        if len(factors := sorted({choice.shrinking for choice in self.choices})) > 1:
            listed = " and ".join(map(str, factors))
            raise ValueError(
                f"the choices shrink images {listed} times, and a network has one "
                "scale; let all shrink them alike"
            )
        return self

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes, whatever is drawn."""
        return self.choices[0].shrinking

    def check_files(self) -> None:
        """Read the files that any choice needs, be it drawn ever so seldom."""
        for choice in self.choices:
            choice.check_files()

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Apply the one that is drawn."""
        return self.choices[pick(self.weights, generator)].degrade(pair, generator)


def _mask_of(step: DegradationBase) -> str | None:
    """Give the kind of what leaves a mask behind, if a step does."""
    if isinstance(step, Chain):
        return _mask_of(step.steps[-1])
    if isinstance(step, OneOf):
        return _mask_of(step.choices[-1])
    return step.kind if isinstance(step, Inpainting | SensorDefects) else None


Degradation: TypeAlias = Annotated[
    CameraNoise
    | ScmosNoise
    | ScanNoise
    | GaussianBlur
    | DiffractionBlur
    | MeasuredPsfBlur
    | Binning
    | Processed
    | Warped
    | Blanked
    | Bleaching
    | JpegCompression
    | BicubicDownscale
    | RealEsrgan
    | Inpainting
    | SensorDefects
    | OneOf
    | Chain,
    Field(discriminator="kind"),
]
"""Any degradation; in YAML its `kind` says which."""

Chain.model_rebuild()
OneOf.model_rebuild()

__all__ = [
    "BicubicDownscale",
    "Binning",
    "Blanked",
    "Bleaching",
    "Camera",
    "CameraNoise",
    "Chain",
    "Degradation",
    "Degraded",
    "GaussianBlur",
    "Inpainting",
    "JpegCompression",
    "MeasuredPsfBlur",
    "OneOf",
    "Processed",
    "ReadLimited",
    "RealEsrgan",
    "ScanNoise",
    "ScmosNoise",
    "SensorDefects",
    "Warped",
    "bleaching_factors",
    "draw_camera",
    "whole_image_mapping",
]
