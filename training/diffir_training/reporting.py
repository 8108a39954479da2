"""What a run tells of itself: its loss, and the quality on patches it never sees."""

from __future__ import annotations

import math
from pathlib import Path

from diffir_training.batches import Batch
from diffir_training.devices import Devices
from diffir_training.learner import Learner
from diffir_training.logs import RunLog, StepDone, Validated
from diffir_training.recipe import Recipe
from diffir_training.validation import save_preview, validate


class Reporter:
    """Measures a run when it is time to; the first process also writes that down."""

    def __init__(
        self, recipe: Recipe, folder: Path, held_back: list[Batch], devices: Devices
    ) -> None:
        self._recipe, self._folder = recipe, folder
        self._held_back, self._writes = held_back, devices.is_first
        self._log = RunLog(folder, tensorboard=recipe.loop.tensorboard)
        self._reported_at = 0.0
        self.best_psnr_db = -math.inf
        """Of the stage under way."""

    def is_report_due(self, step: int, *, finished: bool) -> bool:
        """Tell whether the loss is reported after a step, perhaps a stage's last."""
        return step % self._recipe.log_steps == 0 or finished

    def report(
        self, learner: Learner, step: int, losses: list[float], seconds: float
    ) -> StepDone:
        """Give the mean of the losses since the last report."""
        rate = learner.optimizer.param_groups[0]["lr"]
        loss = sum(losses) / len(losses)
        waited = learner.waited_seconds()
        since, self._reported_at = seconds - self._reported_at, seconds
        done = StepDone(
            learner.schedule.kind,
            step,
            self._recipe.steps,
            loss,
            rate,
            seconds,
            100 * waited / max(since, 1e-9),
        )
        if self._writes:
            self._log.step(done)
        return done

    def is_validation_due(self, step: int, *, finished: bool) -> bool:
        """Tell whether the network is measured after a step, perhaps a stage's last."""
        plan = self._recipe.validation
        if plan is None or not self._held_back:
            return False
        return step % plan.steps == 0 or finished

    def validate(self, learner: Learner, step: int) -> Validated:
        """Measure the averaged network, and remember the best quality."""
        quality = validate(learner.stage, learner.ema.network, self._held_back)
        best = quality.psnr_db > self.best_psnr_db
        if best:
            self.best_psnr_db = quality.psnr_db
        return Validated(
            learner.schedule.kind,
            step,
            quality.psnr_db,
            quality.ssim,
            quality.input_psnr_db,
            best,
        )

    def show(self, quality: Validated, learner: Learner) -> None:
        """Write the quality down, and a preview."""
        if not self._writes:
            return
        self._log.validated(quality)
        preview = self._folder / "previews" / f"{quality.step:08d}.png"
        network, batch = learner.ema.network, self._held_back[0]
        save_preview(learner.stage, network, batch, preview)

    def close(self) -> None:
        """Write what is left."""
        self._log.close()
