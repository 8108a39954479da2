"""Units of work: the planes that are read, restored, written and recorded together."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.axes import PlaneIndex


@dataclass(frozen=True, slots=True)
class Unit:
    """A few planes, the same ones in every run: rounding depends on what is together.

    Units can be done in any order, by anyone, and again.
    """

    number: int
    planes: tuple[PlaneIndex, ...]


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What is known of a unit that has been written."""

    number: int
    read: tuple[int, ...]
    """Checksum of the source's values, by plane."""
    written: tuple[tuple[int, ...], ...]
    """Checksums of what was written, by plane and resolution level."""
    clipped: int = 0
    tiles: int = 0
    iprs: tuple[str, ...] = ()
    """By restored plane that has one of its own: float32 in base64."""


@dataclass(slots=True)
class UnitValues:
    """A unit whose planes, each (channels, Y, X), are in memory."""

    unit: Unit
    planes: list[NDArray[Any]]
    read: tuple[int, ...]
    """Checksums of the source's values."""
    clipped: int = 0
    tiles: int = 0
    iprs: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(plane.nbytes for plane in self.planes)

    def record(self, written: Sequence[tuple[int, ...]]) -> UnitRecord:
        """Give what the ledger keeps, once the values are written."""
        return UnitRecord(
            self.unit.number,
            self.read,
            tuple(written),
            self.clipped,
            self.tiles,
            tuple(encode_vector(vector) for vector in self.iprs),
        )


def units_of(planes: Sequence[PlaneIndex], size: int) -> tuple[Unit, ...]:
    """Group planes, in their order, to units of `size`."""
    starts = range(0, len(planes), size)
    return tuple(
        Unit(number, tuple(planes[start : start + size]))
        for number, start in enumerate(starts)
    )


def checksum(values: NDArray[Any]) -> int:
    """Sum values up in 32 bits."""
    flat: Any = np.ascontiguousarray(values).reshape(-1)
    return zlib.crc32(flat.view(np.uint8))


def encode_vector(vector: NDArray[np.float32]) -> str:
    """Give float32 numbers as text, exactly."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def decode_vector(text: str) -> NDArray[np.float32]:
    """Read what `encode_vector` gave."""
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
