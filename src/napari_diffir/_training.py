"""The training under way, apart from any widget: who runs it, and how it ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from napari_diffir._recipes import DeviceName, saved_recipe
from napari_diffir._run_folder import holds_run
from napari_diffir._scripting import Failure
from napari_diffir._training_state import STAGES, TrainingState
from napari_diffir._training_steps import (
    Job,
    Outcome,
    RunControl,
    training_steps,
)

if TYPE_CHECKING:
    from diffir_training.recipe import Recipe

_LISTEN_MILLISECONDS = 200


class TrainingSession:
    """Owns the worker of one run, for as many widgets as look at it.

    All methods are for the viewer's thread.
    """

    def __init__(self) -> None:
        self.state = TrainingState()
        self._control = RunControl()
        self._worker: Any = None
        self._timer: Any = None
        self._outcome: Outcome | None = None
        self._watchers = 0

    @property
    def is_busy(self) -> bool:
        """Whether a worker is still there, if only to write its checkpoint."""
        return self._worker is not None

    def join(self) -> None:
        """Count a widget that looks at the run."""
        self._watchers += 1

    def leave(self) -> None:
        """Stop the run when nobody looks any more; it keeps a checkpoint."""
        self._watchers -= 1
        if self._watchers <= 0:
            self.stop()

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
        from napari.qt.threading import create_worker

        from napari_diffir._worker import QuietWorker

        if self._worker is not None:
            raise InputError("A training is under way; stop it first.")
        self.state.show_past(job.folder)
        self._control = RunControl()
        self._worker = create_worker(
            training_steps,
            job,
            self._control,
            _worker_class=QuietWorker,
            _start_thread=False,
        )
        self._worker.returned.connect(self._take_outcome)
        self._worker.finished.connect(self._end)
        self.state.phase = "running"
        self.state.message = "Preparing the images and the network…"
        self._worker.start()
        self._listen()

    def _listen(self) -> None:
        from qtpy.QtCore import QTimer

        self._timer = QTimer()
        self._timer.timeout.connect(self._take_news)
        self._timer.start(_LISTEN_MILLISECONDS)

    def _take_news(self) -> None:
        while self._control.news:
            progress = self._control.news.popleft()
            self.state.take(progress)
            if self.state.phase == "running" and not self._control.stopped.is_set():
                self.state.message = f"{STAGES[progress.stage]}."

    def _take_outcome(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def _end(self) -> None:
        """Tell how it ended, once the worker is gone and another may begin."""
        self._timer.stop()
        self._take_news()
        outcome, self._outcome, self._worker = self._outcome, None, None
        state = self.state
        state.seconds_left = None
        if isinstance(outcome, Failure):
            state.message, state.phase = str(outcome.error), "failed"
        elif isinstance(outcome, Path):
            state.step, state.message = state.steps, f"Trained: {outcome}"
            state.phase = "finished"
        else:  # Stopped, or told to quit by napari.
            state.message = f"Stopped after {state.step} steps. Resume goes on."
            state.phase = "stopped"


@functools.cache
def current_session() -> TrainingSession:
    """Give the one session of this process: widgets come and go, the run stays."""
    return TrainingSession()
