"""What has been done of a stack: the protocol, and a ledger that forgets."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import UnitRecord, decode_vector


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


def iprs(ledger: Ledger) -> NDArray[np.float32] | None:
    """Give the IPRs that planes have of their own, (planes, 256), in their order."""
    records = [ledger.done[number] for number in sorted(ledger.done)]
    vectors = [decode_vector(text) for record in records for text in record.iprs]
    return np.stack(vectors) if vectors else None
