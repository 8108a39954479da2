"""How fast a run goes, pauses apart, and how long it will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffir_core.stacks.progress import RestoreProgress


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed and time left; None where nothing is known yet."""

    megabytes_per_second: float | None = None
    seconds_left: float | None = None


class PaceMaker:
    """Measures a run; the clock is the caller's, in seconds."""

    def __init__(self) -> None:
        self._begun: tuple[float, RestoreProgress] | None = None
        self._paused_at: float | None = None
        self._paused_seconds = 0.0

    def pause(self, now: float) -> None:
        """Stop the clock."""
        if self._paused_at is None:
            self._paused_at = now

    def go_on(self, now: float) -> None:
        """Let the clock run again."""
        if self._paused_at is not None:
            self._paused_seconds += now - self._paused_at
            self._paused_at = None

    def take(self, now: float, progress: RestoreProgress) -> Pace:
        """Give the pace, now that a stack is so far.

        What was done in an earlier run counts for nothing, nor does the time it takes
        to check that, and to measure the stack.
        """
        if self._begun is None:
            if progress.phase != "restoring":
                return Pace()
            self._begun, self._paused_seconds = (now, progress), 0.0
            if self._paused_at is not None:
                self._paused_at = now
        begun, first = self._begun
        seconds = now - begun - self._paused_seconds
        if self._paused_at is not None:
            seconds -= now - self._paused_at
        gained = progress.fraction - first.fraction
        if seconds <= 0 or gained <= 0:
            return Pace()
        gained_bytes = progress.bytes_done - first.bytes_done
        speed = gained_bytes / seconds / 1e6 if gained_bytes else None
        return Pace(speed, (1 - progress.fraction) * seconds / gained)
