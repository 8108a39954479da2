"""The training loop: stages in order, validation, checkpoints, resume.

Batch and diffusion noise of a step depend on its number alone, and a checkpoint
holds everything else; so an interrupted run ends with the weights of an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffir_core.checkpoint import load_model, save_model
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_training.batches import Batch, BatchSource
from diffir_training.data import PatchSampler, load_sources, split_sources
from diffir_training.devices import Devices, autocast_dtype, find_devices
from diffir_training.ema import EMA
from diffir_training.fused import fuse
from diffir_training.logs import RunLog, StepDone, Validated
from diffir_training.microbatch import MicroBatches
from diffir_training.recipe import Recipe, StageKind, StageSchedule
from diffir_training.stages import (
    EstimationStage,
    GroundTruthStage,
    JointStage,
    Stage,
    stage_two_from,
)
from diffir_training.state import NAME, load_state, save_state
from diffir_training.validation import save_preview, validate

Event = StepDone | Validated
_VALIDATION_STEP = 1 << 40
_VALIDATED_AT_ONCE = 4


class Trainer:
    """Train a recipe in a folder; an existing checkpoint there is gone on from.

    The folder receives `recipe.yaml`, `state.pt`, `log.csv`, `stage1.safetensors` and
    `stage2.safetensors` (the averaged weights, renewed with every checkpoint), and
    with validation `validation.csv`, `best.safetensors` and `previews/`.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        resume: bool = False,
        devices: Devices | None = None,
    ) -> None:
        self.recipe, self.folder = recipe, folder
        if (folder / NAME).exists() and not resume:
            raise InputError(
                f"{folder} already holds a training run; resume it or choose another "
                "folder."
            )
        self.devices = devices or find_devices(recipe.loop.device)
        folder.mkdir(parents=True, exist_ok=True)
        self._open_data()
        torch.manual_seed(recipe.seed)  # Initial weights; torch offers no other way.
        self.stage1 = fuse(self._first_network()).to(self.devices.device)
        self.stage2: DiffIRS2 | None = None
        self.position, self.step_in_stage, self.step = 0, 0, 0
        self.best_psnr_db = -math.inf
        self._micro = MicroBatches(recipe.loop.micro_batch)
        self._dtype = autocast_dtype(recipe.loop.precision, self.devices.device)
        self._log = RunLog(folder, tensorboard=recipe.loop.tensorboard)
        self._waited_seconds = 0.0
        self._enter_stage()
        if (folder / NAME).exists():
            self._load()
        elif self.devices.is_first:
            (folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")

    def _open_data(self) -> None:
        recipe = self.recipe
        sources = load_sources(recipe.data.folder, recipe.data.sources)
        self._held_back: list[Batch] = []
        if recipe.validation is not None:
            plan = recipe.validation
            sources, kept = split_sources(sources, plan.held_back_fraction)
            sampler = PatchSampler(kept, recipe.noise, recipe.seed)
            items = range(plan.patches)
            self._held_back = [
                sampler.batch(
                    _VALIDATION_STEP,
                    plan.patch_size,
                    items[first : first + _VALIDATED_AT_ONCE],
                ).to(self.devices.device)
                for first in range(0, plan.patches, _VALIDATED_AT_ONCE)
            ]
        self.data: BatchSource = PatchSampler(sources, recipe.noise, recipe.seed)

    def _first_network(self) -> DiffIRS1:
        if self.recipe.start is None:
            return DiffIRS1(self.recipe.model)
        model = load_model(self.recipe.start)
        if not isinstance(model.network, DiffIRS1):
            raise InputError(
                f"start names {self.recipe.start}, a stage-2 model; a run goes on from "
                "a stage-1 file, which a training leaves beside it."
            )
        if model.config != self.recipe.model:
            raise InputError(
                f"The network of {self.recipe.start} is not the recipe's model; "
                "copy its configuration into the recipe."
            )
        return model.network

    @property
    def schedule(self) -> StageSchedule:
        """The stretch of training under way."""
        return self.recipe.stages[self.position]

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.recipe.stages)

    @property
    def result(self) -> Path:
        """The file of the trained model."""
        return self.folder / f"stage{2 if self.stage2 else 1}.safetensors"

    def run(self, on_event: Callable[[Event], None] | None = None) -> Path:
        """Train to the end; give the file of the trained model."""
        for event in self.train():
            if on_event and event is not None:
                on_event(event)
        return self.result

    def train(self) -> Generator[Event | None, None, None]:
        """Train step by step; a step without news yields None.

        Closing the generator keeps a checkpoint of the last step.
        """
        started, losses = time.monotonic(), []
        try:
            while self.position < len(self.recipe.stages):
                losses.append(self._take_step())
                finished = self.step_in_stage == self.schedule.steps
                if self.step % self.recipe.log_steps == 0 or finished:
                    yield self._report(losses, time.monotonic() - started)
                    losses.clear()
                if self._held_back and (self._is_validated() or finished):
                    yield self._validate()
                if finished:
                    self._leave_stage()
                if finished or self.step % self.recipe.checkpoint_steps == 0:
                    self._save()
                yield None
        except GeneratorExit:
            # Between the report of a stage's last step and its end: a checkpoint there
            # would let the resumed stage run past its end, for ever.
            if self._is_stage_over():
                self._leave_stage()
            self._save()
            raise
        finally:
            self._log.close()

    def _is_stage_over(self) -> bool:
        is_open = self.position < len(self.recipe.stages)
        return is_open and self.step_in_stage == self.schedule.steps

    def _take_step(self) -> float:
        schedule = self.schedule
        rate = learning_rate(schedule, self.step_in_stage)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        own = self.devices.own(range(schedule.batch))
        totals = self._micro.accumulate(
            own,
            schedule.batch,
            self._losses,
            lambda: self.optimizer.zero_grad(set_to_none=True),
        )
        self.devices.sum_gradients(self.parameters)
        loss = self.devices.sum(totals[0] if totals else 0.0)
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is {loss} at step {self.step}; lower the learning "
                f"rate ({rate:g}) and resume from the last checkpoint."
            )
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_gradient_norm)
        self.optimizer.step()
        self.ema.update(self.stage.network)
        self.step += 1
        self.step_in_stage += 1
        return loss

    def _losses(self, items: Sequence[int]) -> list[Tensor]:
        schedule, device = self.schedule, self.devices.device
        started = time.monotonic()
        batch = self.data.batch(self.step, schedule.patch_size, items).to(device)
        self._waited_seconds += time.monotonic() - started
        noise = self._noise(schedule.batch)[list(items)].to(device)
        with torch.autocast(
            device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None
        ):
            return [self.stage.loss(batch, noise)]

    def _noise(self, batch: int) -> Tensor:
        """Draw the diffusion noise of a step, (batch, ipr_length), one row a patch."""
        generator = torch.Generator().manual_seed(self.recipe.seed + self.step)
        return torch.randn((batch, self.recipe.model.ipr_length), generator=generator)

    def _enter_stage(self) -> None:
        kind = self.schedule.kind
        if kind != "ground_truth" and self.stage2 is None:
            self.stage2 = fuse(stage_two_from(self.stage1)).to(self.devices.device)
        self.stage = self._build_stage(kind)
        self.parameters = list(self.stage.parameters())
        self.optimizer = torch.optim.Adam(
            self.parameters,
            lr=self.schedule.learning_rate,
            betas=self.schedule.betas,
            fused=True,
        )
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
        self._export(self.result)
        self.position, self.step_in_stage = self.position + 1, 0
        if self.position < len(self.recipe.stages):
            self.best_psnr_db = -math.inf
            self._enter_stage()

    def _export(self, path: Path) -> None:
        if self.devices.is_first:
            save_model(path, self.ema.network, card=self.recipe.card)

    def _save(self) -> None:
        if not self.devices.is_first:
            return
        if self.position < len(self.recipe.stages):
            self._export(self.result)
        state = {
            "recipe": self.recipe.unchanging(),
            "resolved_recipe": self.recipe.to_yaml(),
            "position": self.position,
            "step_in_stage": self.step_in_stage,
            "step": self.step,
            "best_psnr_db": self.best_psnr_db,
            "stage1": self.stage1.state_dict(),
            "stage2": self.stage2.state_dict() if self.stage2 else None,
            "ema": self.ema.network.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.folder, state)

    def _load(self) -> None:
        state = load_state(self.folder, self.recipe.unchanging())
        self.position = state["position"]
        self.step_in_stage, self.step = state["step_in_stage"], state["step"]
        self.best_psnr_db = state["best_psnr_db"]
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

    def _is_validated(self) -> bool:
        plan = self.recipe.validation
        return plan is not None and self.step % plan.steps == 0

    def _validate(self) -> Validated:
        network = self.ema.network
        quality = validate(self.stage, network, self._held_back)
        best = quality.psnr_db > self.best_psnr_db
        if best:
            self.best_psnr_db = quality.psnr_db
            self._export(self.folder / "best.safetensors")
        event = Validated(
            self.schedule.kind,
            self.step,
            quality.psnr_db,
            quality.ssim,
            quality.input_psnr_db,
            best,
        )
        if self.devices.is_first:
            self._log.validated(event)
            preview = self.folder / "previews" / f"{self.step:08d}.png"
            save_preview(self.stage, network, self._held_back[0], preview)
        return event

    def _report(self, losses: list[float], seconds: float) -> StepDone:
        rate = self.optimizer.param_groups[0]["lr"]
        loss = sum(losses) / len(losses)
        waited, self._waited_seconds = self._waited_seconds, 0.0
        since, self._reported_at = seconds - getattr(self, "_reported_at", 0.0), seconds
        done = StepDone(
            self.schedule.kind,
            self.step,
            self.steps,
            loss,
            rate,
            seconds,
            100 * waited / max(since, 1e-9),
        )
        if self.devices.is_first:
            self._log.step(done)
        return done


def learning_rate(schedule: StageSchedule, step: int) -> float:
    """Give the rate at a step of a stage: linear warm-up, then half a cosine."""
    warmup = min(1.0, (step + 1) / (schedule.warmup_steps + 1))
    progress = step / max(1, schedule.steps - 1)
    span = schedule.learning_rate - schedule.final_learning_rate
    cosine = (
        schedule.final_learning_rate + span * (1 + math.cos(math.pi * progress)) / 2
    )
    return warmup * cosine
