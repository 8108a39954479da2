"""Stages that train against a discriminator, which learns in turns with the network.

Each wraps a plain stage, which says how an image is restored and what is distilled.
Within a step, the network is run once: the discriminator is shown the very image
whose loss the network was given::

    stage.loss(batch, noise)                -> stage.parameters()
    stage.discriminator_loss(batch, noise)  -> stage.discriminator_parameters()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffir_core.errors import InputError
from diffir_training.batches import Batch
from diffir_training.discriminators import PatchDiscriminator, UNetDiscriminator
from diffir_training.loss_weights import InpaintingWeights, SuperResolutionWeights
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


class DiscriminatingStage(Stage, Protocol):
    """What the training loop needs of a stage that has a discriminator."""

    def terms(self) -> tuple[str, ...]:
        """Name the terms of the generator's loss that are in use."""

    def discriminator_parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters of the discriminator."""

    def discriminator_loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the scalar loss of the discriminator, after `loss` of the same batch."""


class _Adversarial:
    """What both have in common: a plain stage, optional terms, the image made last."""

    own_terms: tuple[str, ...]

    def __init__(
        self,
        plain: GroundTruthStage | JointStage,
        discriminator: nn.Module,
        perceptual: nn.Module | None,
        weights: SuperResolutionWeights | InpaintingWeights,
    ) -> None:
        self.plain = plain
        self.discriminator = discriminator
        self._perceptual = perceptual
        self._shares = weights
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

    def terms(self) -> tuple[str, ...]:
        """Name the terms of the generator's loss that are in use."""
        distillation = ("distillation",) if isinstance(self.plain, JointStage) else ()
        perceptual = ("perceptual",) if self._perceptual else ()
        return (*self.own_terms, *distillation, *perceptual)

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the generator's loss; the discriminator receives no gradient."""
        return torch.stack(list(self.values(batch, noise).values())).sum()

    def values(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Give the weighted scalar of each of `terms`; `loss` is their sum."""
        restored, distillation = self.plain.restore(batch, noise)
        # The discriminator learns without autocast, which may have made it shorter.
        self._made = (batch, restored.detach().float())
        with _frozen(self.discriminator):
            values = self._own_values(restored, batch)
        if distillation is not None:
            values["distillation"] = self._shares.distillation * distillation
        if self._perceptual:
            distance = self._perceptual(restored, batch.clean)
            values["perceptual"] = self._shares.perceptual * distance
        return values

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Restore as the plain stage does."""
        return self.plain.restored(network, batch)

    def _own_values(self, restored: Tensor, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError

    def _fake(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the image that `loss` made of this batch; make one if it has not."""
        if self._made is None or self._made[0] is not batch:
            with torch.no_grad():
                return self.plain.restore(batch, noise)[0].float()
        return self._made[1]


class AdversarialStage(_Adversarial):
    """The last stage of super-resolution: stage 2 goes on against a U-Net.

    ::

        G: |y - gt| + |Z' - Z| + VGG(y, gt) - log s(D(y)),   y = G(lq, Z')
        D: - log s(D(gt)) - log(1 - s(D(y)))

    with s the sigmoid and the weights of `SuperResolutionWeights` (DiffIR, section 4).
    Without `perceptual`, the term VGG is left out.
    """

    own_terms = ("pixel", "adversarial")

    def __init__(
        self,
        plain: JointStage,
        discriminator: UNetDiscriminator,
        perceptual: VGGLoss | None = None,
        weights: SuperResolutionWeights | None = None,
    ) -> None:
        self.weights = weights or SuperResolutionWeights()
        super().__init__(plain, discriminator, perceptual, self.weights)

    def _own_values(self, restored: Tensor, batch: Batch) -> dict[str, Tensor]:
        adversarial = adversarial_real(self.discriminator(restored))
        return {
            "pixel": self.weights.pixel * pixel_l1(restored, batch.clean),
            "adversarial": self.weights.adversarial * adversarial,
        }

    def discriminator_loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the discriminator's loss, on the image that `loss` made of the batch."""
        natural = batch.clean if batch.real is None else batch.real
        real = adversarial_real(self.discriminator(natural))
        fake = self.discriminator(self._fake(batch, noise))
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
    1 in holes; at the discriminator's size it is taken by nearest neighbour. Without
    `perceptual`, the term ResNet is left out.
    """

    own_terms = ("known", "adversarial", "feature_matching")

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
                "InpaintingStage needs a network of the architecture 'inpainting', "
                f"not '{architecture}', because it reads the mask from its input."
            )
        self.weights = weights or InpaintingWeights()
        super().__init__(plain, discriminator, perceptual, self.weights)

    def _own_values(self, restored: Tensor, batch: Batch) -> dict[str, Tensor]:
        weights, holes = self.weights, batch.noisy[:, -1:]
        _, real = self.discriminator(batch.clean)
        logits, fake = self.discriminator(restored)
        distance = _FEATURE_DISTANCES[weights.feature_distance]
        return {
            "known": masked_l1(restored, batch.clean, holes, weights.known),
            "adversarial": weights.adversarial * adversarial_real(logits),
            "feature_matching": feature_matching(
                fake, real, weights.feature_matching, distance
            ),
        }

    def discriminator_loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the discriminator's loss, on the image that `loss` made of the batch."""
        clean = batch.clean.detach().requires_grad_()
        real, _ = self.discriminator(clean)
        fake, _ = self.discriminator(self._fake(batch, noise))
        penalty = r1_penalty(real, clean, self.weights.r1)
        holes = batch.noisy[:, -1:]
        return adversarial_real(real) + penalty + adversarial_fake(fake, holes)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through a module, but not into its parameters."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
