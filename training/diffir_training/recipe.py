"""A training run as a value: network, data, noise and the schedule of its stages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from diffir_core._base import FrozenConfig
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_training.data import CleanSource
from diffir_training.degradations import CameraNoise

StageKind = Literal["ground_truth", "estimation", "joint"]


class DataConfig(FrozenConfig):
    """Where the clean images are."""

    folder: Path
    sources: tuple[CleanSource, ...] = Field(min_length=1)


class StageSchedule(FrozenConfig):
    """A stretch of training with one patch size and a learning rate that falls."""

    kind: StageKind
    steps: int = Field(ge=1)
    patch_size: int = Field(64, ge=8, multiple_of=8)
    """Height and width of a patch, in pixels."""
    batch: int = Field(4, ge=1)
    learning_rate: float = Field(4e-4, gt=0)
    final_learning_rate: float = Field(1e-6, gt=0)
    """The rate falls from the one to the other along half a cosine."""
    warmup_steps: int = Field(100, ge=0)


class Recipe(FrozenConfig):
    """Everything a run depends on: the same recipe and data give the same weights."""

    name: str
    model: ModelConfig
    data: DataConfig
    noise: CameraNoise = CameraNoise()
    stages: tuple[StageSchedule, ...] = Field(min_length=1)
    seed: int = 0
    ema_decay: float = Field(0.999, ge=0, lt=1)
    clip_gradient_norm: float = Field(1.0, gt=0)
    checkpoint_steps: int = Field(250, ge=1)
    """Steps between two checkpoints, from which an interrupted run goes on."""
    log_steps: int = Field(50, ge=1)
    card: ModelCard | None = None
    """What the trained model says about itself."""

    @model_validator(mode="after")
    def _stages_in_order(self) -> Self:
        order = ("ground_truth", "estimation", "joint")
        ranks = [order.index(stage.kind) for stage in self.stages]
        if ranks != sorted(ranks) or ranks[0] != 0:
            raise ValueError(f"stages must follow the order {', '.join(order)}")
        return self
