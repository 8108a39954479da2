"""The training loop: stages in order, checkpoints, resume.

Batch and diffusion noise of a step depend on its number alone, and a checkpoint
holds everything else; so an interrupted run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diffir_core.checkpoint import save_model
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_training.data import PatchSampler, load_sources
from diffir_training.ema import EMA
from diffir_training.fused import fuse
from diffir_training.recipe import Recipe, StageKind, StageSchedule
from diffir_training.stages import (
    EstimationStage,
    GroundTruthStage,
    JointStage,
    Stage,
    stage_two_from,
)

logger = logging.getLogger(__name__)

_CHECKPOINT = "state.pt"


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step of training has been taken."""

    stage: StageKind
    step: int
    """Steps done in all stages together."""
    steps: int
    loss: float
    """Mean since the last report."""
    learning_rate: float
    seconds: float


class Trainer:
    """Train a recipe in a folder; an existing checkpoint there is gone on from.

    The folder receives `state.pt`, `log.csv`, `stage1.safetensors` and
    `stage2.safetensors` (the averaged weights, renewed with every checkpoint).
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False) -> None:
        self.recipe = recipe
        self.folder = folder
        if (folder / _CHECKPOINT).exists() and not resume:
            raise InputError(
                f"{folder} already holds a training run; resume it or choose another "
                "folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
        sources = load_sources(recipe.data.folder, recipe.data.sources)
        self.sampler = PatchSampler(sources, recipe.noise, recipe.seed)
        torch.manual_seed(recipe.seed)  # Initial weights; torch offers no other way.
        self.stage1 = fuse(DiffIRS1(recipe.model))
        self.stage2: DiffIRS2 | None = None
        self.position, self.step_in_stage, self.step = 0, 0, 0
        self._enter_stage()
        if (folder / _CHECKPOINT).exists():
            self._load()

    @property
    def schedule(self) -> StageSchedule:
        """The stretch of training under way."""
        return self.recipe.stages[self.position]

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.recipe.stages)

    def run(self, on_step: Callable[[StepDone], None] | None = None) -> Path:
        """Train to the end; give the file of the trained model."""
        started, losses = time.monotonic(), []
        while self.position < len(self.recipe.stages):
            losses.append(self._take_step())
            finished = self.step_in_stage == self.schedule.steps
            if self.step % self.recipe.log_steps == 0 or finished:
                self._report(losses, time.monotonic() - started, on_step)
                losses.clear()
            if finished:
                self._leave_stage()
            if finished or self.step % self.recipe.checkpoint_steps == 0:
                self._save()
        return self.folder / f"stage{2 if self.stage2 else 1}.safetensors"

    def _take_step(self) -> float:
        schedule = self.schedule
        rate = learning_rate(schedule, self.step_in_stage)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.sampler.batch(self.step, schedule.patch_size, schedule.batch)
        generator = torch.Generator().manual_seed(self.recipe.seed + self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.stage.loss(batch, generator)
        if not torch.isfinite(loss):
            raise InputError(
                f"The loss is {loss.item()} at step {self.step}; lower the learning "
                f"rate ({rate:g}) and resume from the last checkpoint."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_gradient_norm)
        self.optimizer.step()
        self.ema.update(self.stage.network)
        self.step += 1
        self.step_in_stage += 1
        return float(loss.item())

    def _enter_stage(self) -> None:
        kind = self.schedule.kind
        if kind != "ground_truth" and self.stage2 is None:
            self.stage2 = fuse(stage_two_from(self.stage1))
        self.stage = self._build_stage(kind)
        self.parameters = list(self.stage.parameters())
        rate = self.schedule.learning_rate
        self.optimizer = torch.optim.Adam(self.parameters, lr=rate, fused=True)
        self.ema: EMA[Any] = EMA(self.stage.network, self.recipe.ema_decay)

    def _build_stage(self, kind: StageKind) -> Stage:
        if self.stage2 is None:
            return GroundTruthStage(self.stage1)
        if kind == "estimation":
            return EstimationStage(self.stage1, self.stage2)
        return JointStage(self.stage1, self.stage2)

    def _leave_stage(self) -> None:
        """Go on with the averaged weights, which are better than the last ones."""
        self.stage.network.load_state_dict(self.ema.network.state_dict())
        self._export()
        self.position, self.step_in_stage = self.position + 1, 0
        if self.position < len(self.recipe.stages):
            self._enter_stage()

    def _export(self) -> None:
        number = 1 if self.stage2 is None else 2
        path = self.folder / f"stage{number}.safetensors"
        save_model(path, self.ema.network, card=self.recipe.card)

    def _save(self) -> None:
        if self.position < len(self.recipe.stages):
            self._export()
        state = {
            "recipe": self.recipe.to_yaml(),
            "position": self.position,
            "step_in_stage": self.step_in_stage,
            "step": self.step,
            "stage1": self.stage1.state_dict(),
            "stage2": self.stage2.state_dict() if self.stage2 else None,
            "ema": self.ema.network.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
        }
        temporary = self.folder / f"{_CHECKPOINT}.part"
        torch.save(state, temporary)
        os.replace(temporary, self.folder / _CHECKPOINT)

    def _load(self) -> None:
        path = self.folder / _CHECKPOINT
        state = torch.load(path, weights_only=True)
        if state["recipe"] != self.recipe.to_yaml():
            raise InputError(
                f"{path} was made with another recipe; resume with that one, or train "
                "in another folder."
            )
        self.position = state["position"]
        self.step_in_stage, self.step = state["step_in_stage"], state["step"]
        self.stage1.load_state_dict(state["stage1"])
        if self.position == len(self.recipe.stages):
            self.stage2 = fuse(stage_two_from(self.stage1)) if state["stage2"] else None
            return
        self._enter_stage()
        if self.stage2 is not None:
            self.stage2.load_state_dict(state["stage2"])
        self.ema.network.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.load_state_dict(state["optimizer"])

    def _report(
        self,
        losses: list[float],
        seconds: float,
        on_step: Callable[[StepDone], None] | None,
    ) -> None:
        rate = self.optimizer.param_groups[0]["lr"]
        loss = sum(losses) / len(losses)
        done = StepDone(self.schedule.kind, self.step, self.steps, loss, rate, seconds)
        _append_log(self.folder / "log.csv", done)
        logger.info("%s", done)
        if on_step:
            on_step(done)


def learning_rate(schedule: StageSchedule, step: int) -> float:
    """Give the rate at a step of a stage: linear warm-up, then half a cosine."""
    warmup = min(1.0, (step + 1) / (schedule.warmup_steps + 1))
    progress = step / max(1, schedule.steps - 1)
    span = schedule.learning_rate - schedule.final_learning_rate
    cosine = (
        schedule.final_learning_rate + span * (1 + math.cos(math.pi * progress)) / 2
    )
    return warmup * cosine


def _append_log(path: Path, done: StepDone) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["stage", "step", "loss", "learning_rate", "seconds"])
        writer.writerow(
            [
                done.stage,
                done.step,
                f"{done.loss:.6f}",
                f"{done.learning_rate:.3e}",
                f"{done.seconds:.1f}",
            ]
        )
