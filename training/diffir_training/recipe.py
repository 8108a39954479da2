"""A training run as a value: network, data, noise, stages and how to compute them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from diffir_core._base import FrozenConfig
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_training.degradations import Degradation
from diffir_training.devices import Precision
from diffir_training.images import CleanImages, HeldBack, TrainingImages
from diffir_training.stage_schedule import StageSchedule


class DataConfig(FrozenConfig):
    """What to learn from."""

    folder: Path
    images: TrainingImages
    """Clean images, pairs, or repeated frames below the folder."""

    @field_validator("folder")
    @classmethod
    def _home(cls, folder: Path) -> Path:
        return Path(os.path.expanduser(folder))


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

    name: str = Field(min_length=1)
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
    def steps(self) -> int:
        """Of all stages together."""
        return sum(stage.steps for stage in self.stages)

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
