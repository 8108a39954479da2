"""Training as a generator for a worker: it can be paused and stopped at every step."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING

from diffir_core.errors import DiffIRError, InputError
from napari_diffir._overheard import overheard
from napari_diffir._run_folder import holds_run
from napari_diffir._scripting import Failure
from napari_diffir._wording import told

if TYPE_CHECKING:
    from diffir_training.logs import Event
    from diffir_training.recipe import Recipe
    from diffir_training.trainer import Trainer

logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.02
_NEWS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to train, and where."""

    folder: Path
    make_recipe: Callable[[Path], Recipe]
    """Prepares the images of a run's folder and gives its recipe."""
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is; `event` is what the trainer reported, if anything."""

    stage: str
    step: int
    steps: int
    seconds_left: float | None
    event: Event | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Training was stopped after this many steps; a checkpoint is kept."""

    step: int


class RunControl:
    """What the viewer's thread tells the training's thread, and the way back."""

    def __init__(self) -> None:
        self.paused, self.stopped = Flag(), Flag()
        self.news: deque[Progress] = deque()
        """Written by the training, emptied by the viewer."""
        self.warnings: deque[str] = deque()
        """Likewise: sentences, such as that pairs are in different units."""


@dataclass(slots=True)
class Pace:
    """Time a step in the stage under way; pauses do not count."""

    stage: str = ""
    seconds: float = 0.0
    steps: int = 0

    def add(self, stage: str, seconds: float, steps: int) -> None:
        """Count some work; another stage, with another pace, begins anew."""
        if stage != self.stage:
            self.stage, self.seconds, self.steps = stage, 0.0, 0
        self.seconds += seconds
        self.steps += steps

    def seconds_left(self, steps: int) -> float | None:
        """Give the time that as many further steps take; None before the first."""
        return self.seconds / self.steps * steps if self.steps else None


Outcome = Path | Stopped | Failure
Steps = Generator[None, None, Outcome]


def training_steps(job: Job, control: RunControl) -> Steps:
    """Train, one yield a step; return the model's file, or where it was stopped.

    Errors are returned, too, because napari 0.9.2 answers the error of a worker with
    a TypeError of its own. Closing the generator keeps a checkpoint, as stopping does.
    """
    try:
        with overheard("diffir_training", control.warnings.append):
            trainer = _open(job)
            control.news.append(_progress(trainer, Pace(), None))
            yield
            return (yield from _train(trainer, control))
    except Exception as error:
        said = told(error)
        if not isinstance(said, DiffIRError):
            logger.exception("Training failed")
        return Failure(said)


def _open(job: Job) -> Trainer:
    try:
        from diffir_training.checking import check_vacant
        from diffir_training.trainer import Trainer
    except ImportError as error:
        raise InputError(
            "Training needs more packages; pip install 'napari-diffir[train]'."
        ) from error
    if not job.is_resumed:  # Before its images are replaced.
        if holds_run(job.folder):
            raise InputError(
                f"{job.folder} already holds a run; press Resume, or choose another "
                "folder."
            )
        check_vacant(job.folder)
    recipe = job.make_recipe(job.folder)
    return Trainer(recipe, job.folder, resume=job.is_resumed)


def _train(trainer: Trainer, control: RunControl) -> Steps:
    pace, told = Pace(), 0.0
    with closing(trainer.train()) as training:
        while not control.stopped.is_set():
            if control.paused.is_set():
                time.sleep(_PAUSE_SECONDS)
                yield
                continue
            stage, before, began = _stage(trainer), trainer.step, time.monotonic()
            try:
                event = next(training)
            except StopIteration:
                return trainer.result
            now = time.monotonic()
            pace.add(stage, now - began, trainer.step - before)
            if event is not None or now - told > _NEWS_SECONDS:
                told = now
                control.news.append(_progress(trainer, pace, event))
            yield
    control.news.append(_progress(trainer, pace, None))
    return Stopped(trainer.step)


def _stage(trainer: Trainer) -> str:
    stages = trainer.recipe.stages
    return stages[min(trainer.position, len(stages) - 1)].kind


def _progress(trainer: Trainer, pace: Pace, event: Event | None) -> Progress:
    left = pace.seconds_left(trainer.steps - trainer.step)
    return Progress(_stage(trainer), trainer.step, trainer.steps, left, event)
