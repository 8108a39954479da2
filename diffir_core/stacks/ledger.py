"""What has been done of a stack: the protocol, and a ledger that forgets."""

from __future__ import annotations

from typing import Protocol

from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import UnitRecord


class Ledger(Protocol):
    """Remembers what has been measured and written."""

    statistics: StackStatistics | None
    done: dict[int, UnitRecord]
    """The units that need not be done again, by number."""

    def keep_statistics(self, statistics: StackStatistics) -> None:
        """Remember the statistics."""

    def record(self, record: UnitRecord) -> None:
        """Remember that a unit has been written; called from the writing thread."""


class MemoryLedger:
    """The ledger of a run that nobody resumes."""

    def __init__(self) -> None:
        self.statistics: StackStatistics | None = None
        self.done: dict[int, UnitRecord] = {}

    def keep_statistics(self, statistics: StackStatistics) -> None:
        """See `Ledger`."""
        self.statistics = statistics

    def record(self, record: UnitRecord) -> None:
        """See `Ledger`."""
        self.done[record.number] = record
