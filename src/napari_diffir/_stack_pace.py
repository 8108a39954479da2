"""How fast a run goes, pauses apart, and how long it will take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed and time left; None where nothing is known yet."""

    megabytes_per_second: float | None = None
    seconds_left: float | None = None


class PaceMaker:
    """Measures a run; the clock is the caller's, in seconds."""

    def __init__(self) -> None:
        self._begun: tuple[float, float] | None = None
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

    def take(self, now: float, fraction: float, bytes_done: int) -> Pace:
        """Give the pace, now that `fraction` of the whole stack is done.

        What was done before the first call, in an earlier run, counts for nothing.
        """
        if self._begun is None:
            self._begun = now, fraction
        paused = self._paused_seconds
        if self._paused_at is not None:
            paused += now - self._paused_at
        seconds, gained = now - self._begun[0] - paused, fraction - self._begun[1]
        if seconds <= 0 or gained <= 0:
            return Pace()
        speed = bytes_done / seconds / 1e6 if bytes_done else None
        return Pace(speed, (1 - fraction) * seconds / gained)
