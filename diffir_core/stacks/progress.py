"""How far a restoration is, and what of the result is there to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.ledger import Ledger
from diffir_core.stacks.units import UnitRecord
from diffir_core.stacks.work import StackWork

Phase = Literal["checking", "measuring", "restoring", "finishing"]
Region = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """How far a restoration is; one comes after every strip."""

    planes_done: int
    """Written; of a resumed run, those of before are among them."""
    planes: int
    fraction: float
    """Of the whole stack, 0 to 1."""
    finished_plane: PlaneIndex | None
    """The plane that has just been written, if one has; in the axes of the source."""
    region: Region | None = None
    """Where in that plane, in pixels of the result."""
    phase: Phase = "restoring"
    bytes_done: int = 0
    """Of the source, restored in this run."""


class Tracker:
    """Counts planes and makes events of them."""

    def __init__(self, work: StackWork, ledger: Ledger) -> None:
        self._work, self._total = work, len(work.planes)
        layout, scale = work.source.layout, work.restorer.config.scale
        height, width = (scale * layout.size(axis) for axis in "YX")
        self._region: Region = (0, height, 0, width)
        values = (
            layout.size("Y") * layout.size("X") * work.restorer.config.image_channels
        )
        self._plane_bytes = values * work.source.dtype.itemsize
        self._done = sum(len(work.units[n].planes) for n in ledger.done)
        self._before = self._done
        self._fraction = 0.0

    def now(self, phase: Phase) -> RestoreProgress:
        """Give the event that nothing new is done."""
        return self._event(self._done / self._total, phase=phase)

    def checked(self, fraction: float) -> RestoreProgress:
        """Give the event that a fraction of what was there before has been checked."""
        reached = self._done / self._total * min(1.0, fraction)
        return self._event(reached, phase="checking")

    def within_unit(self, fraction: float) -> RestoreProgress:
        """Give the event that a fraction of a unit is done."""
        reached = (self._done + fraction * self._work.conditions.batch) / self._total
        # Units that wait to be written are restored: never go back.
        self._fraction = min(1.0, max(self._fraction, reached))
        return self._event(self._fraction)

    def written(self, records: Sequence[UnitRecord]) -> Iterator[RestoreProgress]:
        """Give an event for each plane of the units that have been written."""
        for record in records:
            for plane in self._work.units[record.number].planes:
                self._done += 1
                self._fraction = max(self._fraction, self._done / self._total)
                yield self._event(self._fraction, plane)

    def _event(
        self,
        fraction: float,
        plane: PlaneIndex | None = None,
        phase: Phase = "restoring",
    ) -> RestoreProgress:
        return RestoreProgress(
            self._done,
            self._total,
            fraction,
            plane,
            self._region if plane else None,
            phase,
            (self._done - self._before) * self._plane_bytes,
        )
