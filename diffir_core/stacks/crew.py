"""Other processes that do the units of a run: what is asked of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from diffir_core.errors import InputError
from diffir_core.stacks.ordering import UnitOrder
from diffir_core.stacks.units import Unit, UnitRecord
from diffir_core.stacks.work import Conditions


@dataclass(frozen=True)
class Errand:
    """What a process must know to do any unit of a run: plain values, and paths."""

    job: Mapping[str, Any]
    """A `RestoreJob`: whoever has it finds the input and the model."""
    conditions: Conditions
    machine: Mapping[str, str]
    """Device, precision and kernels; others would give other last digits."""
    statistics: Mapping[str, Any]
    """`StackStatistics`, measured once for all."""
    image: Path
    """Laid out by the driver; each unit is files of its own in it."""
    pass_file: Path
    """Holds `token` as long as the units are wanted."""
    token: str


class Crew(Protocol):
    """Processes that restore and write units, wherever they are."""

    processes_here: int
    """How many of them share the memory of this machine; at least 1."""

    def do(
        self, errand: Errand, units: list[Unit], order: UnitOrder
    ) -> Generator[UnitRecord | None, bool | None, None]:
        """Do units; yield the record of each that is written, and None now and then.

        What is sent back says whether to pause: nothing new is begun then.
        """


def check_shareable(destination: Path) -> None:
    """Refuse a format that several processes cannot write at once."""
    if destination.suffix.lower() != ".zarr":
        raise InputError(
            f"{destination.name} would be one file, which many workers cannot write at "
            "once; name it .ome.zarr, or restore without --scheduler and --workers."
        )
