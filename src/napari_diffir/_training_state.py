"""What is seen of a training: every field tells its observers when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from psygnal import SignalGroupDescriptor

from napari_diffir._run_folder import Points, extended, history
from napari_diffir._run_warnings import warning
from napari_diffir._training_steps import Progress

if TYPE_CHECKING:
    from diffir_training.logs import Event

Phase = Literal["idle", "running", "paused", "stopped", "finished", "failed"]
STAGES = {
    "ground_truth": "Stage 1: learning the prior from clean images",
    "estimation": "Stage 2: learning to estimate the prior",
    "joint": "Stage 2: learning everything together",
}


@dataclass
class TrainingState:
    """What is seen of a run; every field tells its observers when it changes."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    folder: Path | None = None
    phase: Phase = "idle"
    stage: str = ""
    stage_start: int = 0
    """Steps that had been taken when the stage began."""
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    losses: Points = ()
    psnrs_db: Points = ()
    input_psnr_db: float = float("nan")
    """Of the noisy patches themselves: what training must surpass."""
    event: Event | None = None
    """What the trainer reported last."""
    message: str = ""
    trainer_warnings: tuple[str, ...] = ()
    """Sentences of the trainer, such as that pairs are in different units."""

    @property
    def is_active(self) -> bool:
        """Whether a worker trains or waits."""
        return self.phase in ("running", "paused")

    @property
    def warning(self) -> str:
        """Give sentences about what goes wrong, in this stage and as a whole."""
        losses, psnrs = (
            tuple(point for point in points if point[0] > self.stage_start)
            for points in (self.losses, self.psnrs_db)
        )
        return "\n".join(filter(None, (warning(losses, psnrs), *self.trainer_warnings)))

    def show_past(self, folder: Path) -> None:
        """Take over what a folder holds of a run."""
        past = history(folder)
        self.folder, self.phase, self.message = folder, "idle", ""
        self.stage, self.stage_start = past.stage, past.stage_start
        self.step = past.losses[-1][0] if past.losses else 0
        self.steps, self.seconds_left, self.event = 0, None, None
        self.input_psnr_db = past.input_psnr_db
        self.losses, self.psnrs_db = past.losses, past.psnrs_db
        self.trainer_warnings = ()

    def take(self, progress: Progress) -> None:
        """Take over the news of the training."""
        if progress.event is not None:
            self._take_event(progress.event)
        self.steps, self.seconds_left = progress.steps, progress.seconds_left
        self.step = progress.step

    def _take_event(self, event: Event) -> None:
        from diffir_training.logs import StepDone

        if event.stage != self.stage:
            self.stage_start = self.losses[-1][0] if self.losses else 0
            self.stage = event.stage
        if isinstance(event, StepDone):
            self.losses = extended(self.losses, event.step, event.loss)
        else:
            self.input_psnr_db = event.input_psnr_db
            self.psnrs_db = extended(self.psnrs_db, event.step, event.psnr_db)
        self.event = event
