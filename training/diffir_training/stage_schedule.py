"""One stage of a training run as a value: steps, patches, rates, losses, adversary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffir_core._base import FrozenConfig
from diffir_training.loss_weights import InpaintingWeights, SuperResolutionWeights
from diffir_training.schedules import (
    ConstantRate,
    CosineRate,
    ProgressiveSizes,
    Schedule,
)

Beta = Annotated[float, Field(ge=0, lt=1)]
StageKind = Literal["ground_truth", "estimation", "joint"]


class SuperResolutionAdversary(FrozenConfig):
    """A U-Net that learns to tell restored images from real ones (SR's last stage)."""

    kind: Literal["super_resolution"] = "super_resolution"
    weights: SuperResolutionWeights = SuperResolutionWeights()
    rate: Schedule = ConstantRate(learning_rate=1e-4)
    """Learning rate of the discriminator."""
    perceptual: Path | None = None
    """Weights file of VGG19; None leaves the perceptual term out."""


class InpaintingAdversary(FrozenConfig):
    """A patch discriminator that learns to find filled holes (both stages)."""

    kind: Literal["inpainting"] = "inpainting"
    weights: InpaintingWeights = InpaintingWeights()
    rate: Schedule = ConstantRate(learning_rate=1e-4)
    """Learning rate of the discriminator."""
    perceptual: Path | None = None
    """Weights file of a dilated ResNet50; None leaves the perceptual term out."""


Adversary = Annotated[
    SuperResolutionAdversary | InpaintingAdversary, Field(discriminator="kind")
]


class StageSchedule(FrozenConfig):
    """A stretch of training with one patch size and a learning rate that falls."""

    kind: StageKind
    steps: int = Field(ge=1)
    patch_size: int = Field(64, ge=8, multiple_of=8)
    """Height and width of a patch, in pixels of the clean image."""
    batch: int = Field(4, ge=1)
    """Patches a step, over all processes and pieces together."""
    sizes: ProgressiveSizes | None = None
    """Patch sizes and batches that change on the way, instead of the two above."""
    learning_rate: float = Field(4e-4, gt=0)
    final_learning_rate: float = Field(1e-6, gt=0)
    """The rate falls from the one to the other along half a cosine."""
    warmup_steps: int = Field(100, ge=0)
    rate: Schedule | None = None
    """Another learning rate instead of the cosine above."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Of Adam."""
    ema_decay: float | None = Field(None, ge=0, lt=1)
    """Instead of the recipe's; 0 keeps no average."""
    distillation: Literal["l1", "kl"] = "l1"
    """Distance of the IPRs; the official code descends L1 alone."""
    pixel_loss: Literal["l1", "log_rms"] = "l1"
    """Error of the image: the official L1, or one that weighs noise levels alike."""
    adversary: Adversary | None = None
    """A discriminator to train against."""

    @model_validator(mode="after")
    def _adversary_fits(self) -> Self:
        if self.adversary is None:
            return self
        if self.kind == "estimation":
            raise ValueError("the estimation stage restores nothing; no adversary")
        if self.pixel_loss != "l1":
            raise ValueError("the adversarial losses weigh L1; pixel_loss must be l1")
        if self.kind == "ground_truth" and self.adversary.kind != "inpainting":
            raise ValueError("the super_resolution adversary joins a joint stage")
        return self

    def rate_at(self, step: int) -> float:
        """Give the learning rate at a step of this stage, counted from 0."""
        cosine = CosineRate(
            learning_rate=self.learning_rate,
            final_learning_rate=self.final_learning_rate,
            steps=self.steps,
            warmup_steps=self.warmup_steps,
        )
        return (self.rate or cosine).rate(step)

    @property
    def patch_sizes(self) -> tuple[int, ...]:
        """All patch sizes of this stage."""
        return self.sizes.patch_sizes if self.sizes else (self.patch_size,)

    @property
    def least_batch(self) -> int:
        """The fewest patches of a step."""
        return min(self.sizes.batch_sizes) if self.sizes else self.batch

    def size_at(self, step: int) -> tuple[int, int]:
        """Give patch size and batch at a step of this stage."""
        return self.sizes.at(step) if self.sizes else (self.patch_size, self.batch)
