"""The training under way, apart from any widget: who runs it, and how it ends."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from napari_diffir._recipes import DeviceName, saved_recipe
from napari_diffir._run_folder import holds_run
from napari_diffir._scripting import Failure
from napari_diffir._training_state import STAGES, TrainingState
from napari_diffir._training_steps import Job, Outcome, RunControl, training_steps
from napari_diffir._watched_run import WatchedRun
from napari_diffir._wording import counted

if TYPE_CHECKING:
    from diffir_training.recipe import Recipe


def folder_problem(folder: Path | None) -> str:
    """Say why a run cannot be kept in a folder, which need not be there yet."""
    if folder is None:
        return "Choose a folder for the run first."
    whole = folder.absolute()
    nearest = next(one for one in (whole, *whole.parents) if one.exists())
    if not nearest.is_dir():
        return f"{nearest} is a file; choose a folder for the run."
    if not os.access(nearest, os.W_OK):
        return f"{nearest} may not be written to; choose another folder for the run."
    return ""


class TrainingSession(WatchedRun):
    """Trains in a folder; whatever ends it, a checkpoint stays."""

    def __init__(self) -> None:
        super().__init__()
        self.state = TrainingState()
        self._control = RunControl()

    def look_at(self, folder: Path) -> None:
        """Show what a folder holds; a run under way stays in view."""
        if self.state.is_active or folder == self.state.folder:
            return
        self.state.show_past(folder)
        if holds_run(folder):
            self.state.phase = "stopped"
            self.state.message = f"A run of {self.state.step} steps. Resume goes on."

    def start(self, folder: Path, make_recipe: Callable[[Path], Recipe]) -> None:
        """Begin a run in an empty folder."""
        self._begin(Job(folder, make_recipe))

    def resume(
        self, folder: Path | None = None, device: DeviceName | None = None
    ) -> None:
        """Go on: after a pause, or from the last checkpoint in a folder.

        After a pause the device stays; None is the one that the run was begun with.
        """
        if self.state.phase == "paused":
            self._control.paused.clear()
            self.state.phase = "running"
            return
        folder = folder or self.state.folder
        if folder is None or not holds_run(folder):
            raise InputError(f"{folder} holds no run to go on from; press Start.")
        make_recipe = partial(saved_recipe, device=device)
        self._begin(Job(folder, make_recipe, is_resumed=True))

    def pause(self) -> None:
        """Let the run wait after the step under way; the model stays in memory."""
        if self.state.phase == "running":
            self._control.paused.set()
            self.state.phase, self.state.message = "paused", "Paused."

    def stop(self) -> None:
        """End the run after the step under way, with a checkpoint."""
        if self._worker is not None:
            self.state.message = "Stopping; a checkpoint is written…"
            self._control.stopped.set()

    def _begin(self, job: Job) -> None:
        self._refuse_second("A training is under way; stop it first.")
        self.state.show_past(job.folder)
        self._control = RunControl()
        self.state.phase = "running"
        self.state.message = "Preparing the images and the network…"
        self._launch(training_steps, job, self._control)

    def _take_news(self) -> None:
        while self._control.warnings:
            said = self._control.warnings.popleft()
            self.state.trainer_warnings = (*self.state.trainer_warnings, said)
        while self._control.news:
            progress = self._control.news.popleft()
            self.state.take(progress)
            if self.state.phase == "running" and not self._control.stopped.is_set():
                self.state.message = f"{STAGES[progress.stage]}."

    def _take_end(self, outcome: Outcome | None) -> None:
        state = self.state
        state.seconds_left = None
        if isinstance(outcome, Failure):
            state.message, state.phase = str(outcome.error), "failed"
        elif isinstance(outcome, Path):
            state.step, state.message = state.steps, f"Trained: {outcome}"
            state.phase = "finished"
        else:  # Stopped, or told to quit by napari.
            state.message, state.phase = self._stopped_sentence(), "stopped"

    def _stopped_sentence(self) -> str:
        """Promise no more than the folder holds: there may be no checkpoint yet."""
        folder = self.state.folder
        if folder is None or not holds_run(folder):
            return "Stopped before the first step. Start begins anew."
        return f"Stopped after {counted(self.state.step, 'step')}. Resume goes on."


@functools.cache
def current_session() -> TrainingSession:
    """Give the one session of this process: widgets come and go, the run stays."""
    return TrainingSession()
