"""A training run as a value: network, data, noise and the schedule of its stages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from diffir_core._base import FrozenConfig
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_training.degradations import Degradation
from diffir_training.devices import Precision
from diffir_training.images import CleanImages, HeldBack, TrainingImages
from diffir_training.loss_weights import InpaintingWeights, SuperResolutionWeights
from diffir_training.schedules import (
    ConstantRate,
    CosineRate,
    ProgressiveSizes,
    Schedule,
)

Beta = Annotated[float, Field(ge=0, lt=1)]
StageKind = Literal["ground_truth", "estimation", "joint"]


class DataConfig(FrozenConfig):
    """What to learn from."""

    folder: Path
    images: TrainingImages
    """Clean images, pairs, or repeated frames below the folder."""

    @field_validator("folder")
    @classmethod
    def _home(cls, folder: Path) -> Path:
        return Path(os.path.expanduser(folder))


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


class ValidationConfig(FrozenConfig):
    """What is measured on the way, on files that training does not see."""

    steps: int = Field(500, ge=1)
    """Steps between two measurements."""
    held_back_fraction: float = Field(0.1, gt=0, lt=1)
    """Of the files of each source; at least one of each that has two planes."""
    held_back_files: str | None = None
    """Pattern of the names of the files to hold back, instead of a fraction."""
    patches: int = Field(16, ge=1)
    patch_size: int = Field(128, ge=16, multiple_of=8)

    @property
    def held_back(self) -> HeldBack:
        """What training does not see."""
        return HeldBack(self.held_back_fraction, self.held_back_files)


class LoopConfig(FrozenConfig):
    """How the steps are computed; what is learnt depends on it by rounding only."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "float32"
    """Of products: 'auto' takes bfloat16 where a short probe finds it faster."""
    compile: bool = False
    """Let torch.compile fuse the blocks; needs a C++ compiler, else it is left out."""
    cuda_graph: bool = False
    """Launch all kernels of a step at once: a small network trains faster on a large
    GPU. The whole batch must fit into its memory."""
    micro_batch: int | None = Field(None, ge=1)
    """Patches at once in one process; None is all. Less is taken if memory runs out."""
    workers: int = Field(0, ge=0)
    """Processes that prepare batches; 0 is a thread, which is enough for a CPU."""
    tensorboard: bool = False
    """Write curves for TensorBoard, too, if it is installed."""


class StartConfig(FrozenConfig):
    """What to begin from: trained networks, by names of shipped models, or files.

    ``stage1`` alone spares stage 1, or fine-tunes it. ``stage2`` alone, such as a
    shipped model, lends its DIRformer to stage 1, which begins under the mean IPR of
    its training images, and all its parts to stage 2. Both let a run begin with a joint
    stage, as the adversarial one of super-resolution.
    """

    stage1: str | None = None
    stage2: str | None = None


class Recipe(FrozenConfig):
    """Everything a run depends on: the same recipe and data give the same weights."""

    name: str
    model: ModelConfig
    data: DataConfig
    noise: Degradation | None = None
    """What makes degraded images of clean ones; pairs need none."""
    stages: tuple[StageSchedule, ...] = Field(min_length=1)
    start: StartConfig = StartConfig()
    seed: int = Field(0, ge=0, lt=2**63)
    ema_decay: float = Field(0.999, ge=0, lt=1)
    clip_gradient_norm: float | None = Field(1.0, gt=0)
    """Longer gradients are shortened to this; null leaves them as they are."""
    checkpoint_steps: int = Field(250, ge=1)
    """Steps between two checkpoints, from which an interrupted run goes on."""
    log_steps: int = Field(50, ge=1)
    statistics_patches: int = Field(256, ge=2)
    """Over how many patches the statistics of the IPRs in a stage-2 file are."""
    validation: ValidationConfig | None = None
    loop: LoopConfig = LoopConfig()
    card: ModelCard | None = None
    """What the trained model says about itself."""

    @model_validator(mode="after")
    def _stages_in_order(self) -> Self:
        order = ("ground_truth", "estimation", "joint")
        ranks = [order.index(stage.kind) for stage in self.stages]
        if ranks != sorted(ranks):
            raise ValueError(f"stages must follow the order {', '.join(order)}")
        if ranks[0] != 0 and self.start.stage1 is None:
            raise ValueError(
                "the first stage must be ground_truth, or start.stage1 must name a "
                "stage-1 model"
            )
        return self

    @model_validator(mode="after")
    def _noise_for_clean_images(self) -> Self:
        is_clean = isinstance(self.data.images, CleanImages)
        if is_clean and self.noise is None:
            raise ValueError("clean images need a noise that spoils them")
        if not is_clean and self.noise is not None:
            raise ValueError("noise spoils clean images; leave it out for pairs")
        return self

    @model_validator(mode="after")
    def _patches_fit_the_network(self) -> Self:
        # In estimation the DIRformer, which is what wants multiples, does not run.
        sizes = {
            f"stages.{i}.{'sizes' if stage.sizes else 'patch_size'}": stage.patch_sizes
            for i, stage in enumerate(self.stages)
            if stage.kind != "estimation"
        }
        if self.validation is not None:
            sizes["validation.patch_size"] = (self.validation.patch_size,)
        for name, patches in sizes.items():
            for size in patches:
                if size % self.patch_multiple:
                    raise ValueError(
                        f"{name} is {size}; this network takes patches of multiples of "
                        f"{self.patch_multiple} pixels"
                    )
        return self

    @model_validator(mode="after")
    def _adversaries_fit_the_network(self) -> Self:
        for i, stage in enumerate(self.stages):
            kind = stage.adversary.kind if stage.adversary else None
            if kind == "inpainting" and self.model.architecture != "inpainting":
                raise ValueError(
                    f"stages.{i}.adversary is that of inpainting, but the architecture "
                    f"'{self.model.architecture}' has no mask; leave it out"
                )
        return self

    @property
    def patch_multiple(self) -> int:
        """What patches of clean images are multiples of, in pixels."""
        return self.model.size_multiple * self.model.scale

    @property
    def largest_patch(self) -> int:
        """The largest patch of all stages, in pixels of the clean image."""
        return max(size for stage in self.stages for size in stage.patch_sizes)

    def unchanging(self) -> str:
        """Give, as YAML, what a resumed run must have in common with its start.

        How often it is logged and saved changes nothing of what is learnt.
        """
        fields = type(self).model_fields
        often = {n: fields[n].default for n in ("checkpoint_steps", "log_steps")}
        free = {"loop": LoopConfig(), "card": None, **often}
        return self.model_copy(update=free).to_yaml()
