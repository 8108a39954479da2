"""Before a run goes on: what it left behind must be what it was, and room enough."""

from __future__ import annotations

import errno
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Zstd

from diffir_core.errors import InputError, StorageError
from diffir_core.stacks.journal import Journal
from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.sink import FileSink
from diffir_core.stacks.statistics import sample_checksums
from diffir_core.stacks.subsampling import spread
from diffir_core.stacks.units import Unit, UnitRecord, checksum
from diffir_core.stacks.work import StackWork

_PYRAMID_SHARE = 4 / 3
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_done(work: StackWork, sink: FileSink, journal: Journal) -> Iterator[None]:
    """Forget the units whose pixels are not as recorded; yield after each one.

    The input is read again, too: its planes must be those that were restored.
    """
    if journal.statistics is not None:
        found = sample_checksums(work.source, work.restored_planes)
        if found != journal.statistics.samples:
            raise InputError(_changed("the values that it was measured by differ"))
    for number, record in list(journal.done.items()):
        unit = work.units[number]
        _check_input(work, unit, record)
        if not is_intact(sink, unit, record):
            del journal.done[number]
        yield


def _check_input(work: StackWork, unit: Unit, record: UnitRecord) -> None:
    for plane, known in zip(unit.planes, record.read, strict=True):
        if checksum(work.source.read(plane)) != known:
            raise InputError(_changed(f"{plane.place} differs"))


def _changed(what: str) -> str:
    return (
        f"The input has changed since the run was begun: {what}; restore the "
        "old input to resume, or pass --overwrite to start anew."
    )


def is_intact(sink: FileSink, unit: Unit, record: UnitRecord) -> bool:
    """Tell whether a unit is on the disk as it was written, at all levels."""
    try:
        found = tuple(sink.checksums(plane) for plane in unit.planes)
    except (OSError, ValueError, RuntimeError, LookupError, zlib.error):
        return False  # Readers complain of damaged chunks in many ways.
    return found == record.written


def output_bytes(work: StackWork, destination: Path) -> int:
    """Give the size of the output; of a compressed one, as well as one plane tells."""
    if destination.suffix.lower() != ".zarr":
        from diffir_core.stacks._tiff_layout import TiffLayout

        metadata = work.source.metadata
        return TiffLayout(ImageSpec(work.output_shape, work.dtype, metadata)).file_bytes
    size = int(np.prod(work.output_shape)) * work.dtype.itemsize
    return int(size * _PYRAMID_SHARE * _compressed_share(work))


def _compressed_share(work: StackWork) -> float:
    """Give what is left of a plane of the input after compression.

    A restored plane has less noise, and compresses better.
    """
    if work.dtype != work.source.dtype:
        return 1.0
    values = work.source.read(spread(work.planes, 2)[-1])
    part = np.ascontiguousarray(values[..., :2048, :2048])
    return min(1.0, len(Zstd(level=0).encode(part)) / part.nbytes)


def check_room(work: StackWork, destination: Path, share_left: float) -> None:
    """Refuse what cannot fit the disk."""
    needed = int(share_left * output_bytes(work, destination))
    free = shutil.disk_usage(destination.parent).free
    if needed > free:
        raise InputError(
            f"{destination.name} needs about {needed / 1e9:.3g} GB, "
            f"{free / 1e9:.3g} GB are free in {destination.parent}; free some or "
            "choose another disk."
        )


def storage_error(
    error: OSError, work: StackWork, journal: Journal | None
) -> Exception:
    """Give the error that says what is lost (nothing) and what to do."""
    if error.errno not in _FULL:
        return error
    records = journal.done.values() if journal else ()
    done = sum(len(record.read) for record in records)
    total: Any = len(work.planes)
    return StorageError(
        f"The disk is full ({error.strerror}); {done} of {total} planes are safe: free "
        "some space and pass --resume."
    )
