"""Stages that train against a discriminator, which learns in turns with the network.

Each wraps a plain stage, which says how an image is restored and what is distilled.
Within a step, the network is run once: the discriminator is shown the very image
whose loss the network was given::

    optimise(stage.loss(batch, generator), stage.parameters())
    optimise(stage.discriminator_loss(batch, generator), stage.discriminator_parameters())
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError
from diffir_training.data import Batch
from diffir_training.discriminators import PatchDiscriminator, UNetDiscriminator
from diffir_training.losses import (
    Distance,
    adversarial_fake,
    adversarial_real,
    feature_matching,
    masked_l1,
    pixel_l1,
    r1_penalty,
)
from diffir_training.perceptual import ResNetLoss, VGGLoss
from diffir_training.stages import GroundTruthStage, JointStage, Stage

_FEATURE_DISTANCES: dict[str, Distance] = {"l1": F.l1_loss, "l2": F.mse_loss}


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


class DiscriminatingStage(Stage, Protocol):
    """What the training loop needs of a stage that has a discriminator."""

    def terms(self) -> tuple[str, ...]:
        """Name the terms of the generator's loss that are in use."""

    def discriminator_parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters of the discriminator."""

    def discriminator_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the scalar loss of the discriminator, after `loss` of the same batch."""


class _Adversarial:
    """What both have in common: a plain stage, and the image it made last."""

    discriminator: nn.Module

    def __init__(self, plain: GroundTruthStage | JointStage) -> None:
        self.plain = plain
        self._made: tuple[Batch, Tensor] | None = None

    @property
    def network(self) -> nn.Module:
        """The generator, whose average is kept."""
        return self.plain.network

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give all parameters of the generator."""
        return self.plain.parameters()

    def discriminator_parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters of the discriminator."""
        return self.discriminator.parameters()

    def _restore(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        restored, distillation = self.plain.restore(batch, generator)
        self._made = (batch, restored.detach())
        return restored, distillation

    def _fake(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the image that `loss` made of this batch; make one if it has not."""
        if self._made is None or self._made[0] is not batch:
            with torch.no_grad():
                return self.plain.restore(batch, generator)[0]
        return self._made[1]


class AdversarialStage(_Adversarial):
    """The last stage of super-resolution: stage 2 goes on against a U-Net.

    ::

        G: |G(lq, Z') - gt| + |Z' - Z| + VGG(G(lq, Z'), gt) - log s(D(G(lq, Z')))
        D: - log s(D(gt)) - log(1 - s(D(G(lq, Z'))))

    with s the sigmoid and the weights of `SuperResolutionWeights` (DiffIR, section 4).
    """

    def __init__(
        self,
        plain: JointStage,
        discriminator: UNetDiscriminator,
        perceptual: VGGLoss | None = None,
        weights: SuperResolutionWeights | None = None,
    ) -> None:
        super().__init__(plain)
        self.discriminator = discriminator
        self.perceptual = perceptual
        self.weights = weights or SuperResolutionWeights()

    def terms(self) -> tuple[str, ...]:
        """Name the terms of the generator's loss that are in use."""
        perceptual = ("perceptual",) if self.perceptual else ()
        return ("pixel", "distillation", *perceptual, "adversarial")

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the generator's loss; the discriminator receives no gradient."""
        return _total(self.values(batch, generator))

    def values(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Give the weighted scalar of each of `terms`."""
        restored, distillation = self._restore(batch, generator)
        with _frozen(self.discriminator):
            adversarial = adversarial_real(self.discriminator(restored))
        values = {
            "pixel": self.weights.pixel * pixel_l1(restored, batch.clean),
            "adversarial": self.weights.adversarial * adversarial,
        }
        if distillation is not None:
            values["distillation"] = self.weights.distillation * distillation
        if self.perceptual:
            distance = self.perceptual(restored, batch.clean)
            values["perceptual"] = self.weights.perceptual * distance
        return values

    def discriminator_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the discriminator's loss, on the image that `loss` made of the batch."""
        real = adversarial_real(self.discriminator(batch.clean))
        fake = self.discriminator(self._fake(batch, generator))
        return real + adversarial_fake(fake)


class InpaintingStage(_Adversarial):
    """Inpainting, whose both stages train against a patch discriminator (LaMa).

    ::

        G: 10 mean((1 - m) |y - gt|) - 10 log s(D(y)) + 100 FM(D, y, gt)
           + 30 ResNet(y, gt) [+ |Z' - Z| in stage 2]
        D: - log s(D(gt)) + 0.001 |dD/dgt|^2
           - m log(1 - s(D(y))) - (1 - m) log s(D(y))

    where y is the network's image, whole: known pixels are not pasted in, neither for
    the discriminator nor for the perceptual term. m, the last channel of the input, is
    1 in holes; at the discriminator's size it is taken by nearest neighbour.
    """

    def __init__(
        self,
        plain: GroundTruthStage | JointStage,
        discriminator: PatchDiscriminator,
        perceptual: ResNetLoss | None = None,
        weights: InpaintingWeights | None = None,
    ) -> None:
        architecture = plain.network.config.architecture
        if architecture != "inpainting":
            raise InputError(
                f"InpaintingStage needs a network of the architecture 'inpainting', "
                f"not '{architecture}', because it reads the mask from its input."
            )
        super().__init__(plain)
        self.discriminator = discriminator
        self.perceptual = perceptual
        self.weights = weights or InpaintingWeights()

    def terms(self) -> tuple[str, ...]:
        """Name the terms of the generator's loss that are in use."""
        perceptual = ("perceptual",) if self.perceptual else ()
        distillation = ("distillation",) if isinstance(self.plain, JointStage) else ()
        return ("known", "adversarial", "feature_matching", *perceptual, *distillation)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the generator's loss; the discriminator receives no gradient."""
        return _total(self.values(batch, generator))

    def values(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Give the weighted scalar of each of `terms`."""
        restored, distillation = self._restore(batch, generator)
        values = self._judged(restored, batch.clean)
        holes = batch.noisy[:, -1:]
        values["known"] = masked_l1(restored, batch.clean, holes, self.weights.known)
        if self.perceptual:
            distance = self.perceptual(restored, batch.clean)
            values["perceptual"] = self.weights.perceptual * distance
        if distillation is not None:
            values["distillation"] = self.weights.distillation * distillation
        return values

    def _judged(self, restored: Tensor, clean: Tensor) -> dict[str, Tensor]:
        weights = self.weights
        distance = _FEATURE_DISTANCES[weights.feature_distance]
        with _frozen(self.discriminator):
            _, real = self.discriminator(clean)
            logits, fake = self.discriminator(restored)
        matching = feature_matching(fake, real, weights.feature_matching, distance)
        return {
            "adversarial": weights.adversarial * adversarial_real(logits),
            "feature_matching": matching,
        }

    def discriminator_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Give the discriminator's loss, on the image that `loss` made of the batch."""
        clean = batch.clean.detach().requires_grad_()
        real, _ = self.discriminator(clean)
        fake, _ = self.discriminator(self._fake(batch, generator))
        penalty = r1_penalty(real, clean, self.weights.r1)
        holes = batch.noisy[:, -1:]
        return adversarial_real(real) + penalty + adversarial_fake(fake, holes)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through a module, but not into its parameters."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def _total(values: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(values.values())).sum()
