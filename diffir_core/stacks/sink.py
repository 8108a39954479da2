"""Where restored planes go: arrays and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from diffir_core.report import RestoreReport
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.destination import check_destination
from diffir_core.stacks.ledger import Ledger
from diffir_core.stacks.metadata import ImageSpec

__all__ = [
    "ArraySink",
    "FileSink",
    "StackSink",
    "attach_sink",
    "check_destination",
    "create_sink",
]


class StackSink(Protocol):
    """A stack that is written plane by plane, in any order, by one thread at a time."""

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> tuple[int, ...]:
        """Write one plane, (channels, Y, X); give a checksum for each level."""

    def finish(self, report: RestoreReport, ledger: Ledger) -> None:
        """Add what is known of the making; nothing is written after that."""


class FileSink(StackSink, Protocol):
    """A sink that another process can go on with."""

    def checksums(self, plane: PlaneIndex) -> tuple[int, ...]:
        """Read a plane back and give what `write` gave; may raise if it is damaged."""


class ArraySink:
    """An array that the caller owns."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> tuple[int, ...]:
        """Write one plane, (channels, Y, X)."""
        plane.put(self.array, values)
        return ()

    def finish(self, report: RestoreReport, ledger: Ledger) -> None:
        """Do nothing: the array has no place for a report."""


def create_sink(path: Path, spec: ImageSpec) -> FileSink:
    """Create an OME-TIFF (``.tif``, ``.tiff``) or an OME-Zarr (``.zarr``), empty."""
    if path.suffix.lower() == ".zarr":
        from diffir_core.stacks._zarr_sink import ZarrSink

        return ZarrSink.create(path, spec)
    from diffir_core.stacks._tiff_sink import TiffSink

    return TiffSink.create(path, spec)


def attach_sink(path: Path, spec: ImageSpec) -> FileSink:
    """Open what `create_sink` made, to go on with it or to take part in it."""
    if path.suffix.lower() == ".zarr":
        from diffir_core.stacks._zarr_sink import ZarrSink

        return ZarrSink.attach(path, spec)
    from diffir_core.stacks._tiff_sink import TiffSink

    return TiffSink.attach(path, spec)
