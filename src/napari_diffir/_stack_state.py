"""What is seen of a restoration to disk: every field tells when it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from psygnal import SignalGroupDescriptor

from napari_diffir._wording import counted, restored_sentence

if TYPE_CHECKING:
    from napari_diffir._stack_pace import Pace
    from napari_diffir._stack_steps import StackRequest, TaskEnded, TaskMoved

Phase = Literal["idle", "running", "paused", "stopped", "finished", "failed"]
_PHASES = {
    "checking": "Checking what is there…",
    "measuring": "Measuring the stack…",
    "restoring": "Restoring…",
    "finishing": "Finishing the file…",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A stack of a run: its name, and how it is."""

    name: str
    status: str


@dataclass
class StackState:
    """What is seen of a run; every field tells its observers when it changes."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    phase: Phase = "idle"
    message: str = ""
    rows: tuple[Row, ...] = ()
    planes_done: int = 0
    planes: int = 0
    fraction: float = 0.0
    """Of the stack under way."""
    megabytes_per_second: float | None = None
    """Of the input."""
    seconds_left: float | None = None
    destination: Path | None = None
    """Where the stack under way, or the last one, will be or is."""

    @property
    def is_active(self) -> bool:
        """Whether a worker restores or waits."""
        return self.phase in ("running", "paused")

    def begin(self, request: StackRequest) -> None:
        """Show a run that begins."""
        self.rows = tuple(Row(task.name, "waiting") for task in request.tasks)
        self.planes_done, self.planes, self.fraction = 0, 0, 0.0
        self.megabytes_per_second = self.seconds_left = None
        self.destination = request.tasks[0].destination
        self.message, self.phase = "Loading the model…", "running"

    def take(self, news: TaskMoved, pace: Pace) -> None:
        """Take over how far a stack is."""
        progress = news.progress
        self.planes_done, self.planes = progress.planes_done, progress.planes
        self.megabytes_per_second = pace.megabytes_per_second
        self.seconds_left = pace.seconds_left
        self.fraction = progress.fraction
        self.set_row(news.number, f"{progress.fraction:.0%}")
        if self.phase == "running":
            self.message = _PHASES[progress.phase]

    def take_end(self, news: TaskEnded) -> None:
        """Take over how a stack ended."""
        end = news.end
        if isinstance(end, Exception):
            self.set_row(news.number, f"failed: {end}")
            self.message = str(end)
            return
        self.set_row(news.number, "done")
        if end is None:
            return
        self.fraction, self.planes_done = 1.0, self.planes
        self.message = restored_sentence(
            end.planes, end.seconds, end.clipped_values, end.rounded_to_levels
        )

    def end(self, error: Exception | None) -> None:
        """Show that nothing is done any more; with an error, nothing ever was."""
        self.seconds_left = None
        statuses = [row.status for row in self.rows]
        if error is not None:
            self.message, self.phase = str(error), "failed"
        elif any(status.startswith("failed") for status in statuses):
            self.phase = "failed"
        elif all(status == "done" for status in statuses):
            self.phase = "finished"
        else:
            self.message, self.phase = self._stopped_sentence(), "stopped"

    def _stopped_sentence(self) -> str:
        done = sum(row.status == "done" for row in self.rows)
        before = f"{counted(done, 'stack')} and " if done else ""
        if not (done or self.planes_done):
            return "Stopped before the first plane was restored."
        return (
            f"Stopped after {before}{self.planes_done} of {self.planes} planes, which "
            "are kept; Resume goes on."
        )

    def set_row(self, number: int, status: str) -> None:
        """Say how a stack is."""
        rows = list(self.rows)
        rows[number] = replace(rows[number], status=status)
        self.rows = tuple(rows)
