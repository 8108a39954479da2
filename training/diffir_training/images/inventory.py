"""What images a run has, and on which side: kept in its checkpoint, compared at resume.

A file that is added or taken away moves others between training and validation; one
that has changed teaches something else. Of each, the survey has looked at the pixels
already, so that they need not be read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from zlib import crc32

from diffir_core.intensity import IntensityMapping
from diffir_training.images.survey import Foreground

Inventory = dict[str, str]
"""Side and file -> size and a checksum of what was seen of its planes."""


class Surveyed(Protocol):
    """An image that was looked at, such as `CleanPlane` and `PlanePair`."""

    @property
    def shows(self) -> tuple[str, ...]:
        """All files that show its specimen."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""

    @property
    def mapping(self) -> IntensityMapping:
        """Of its intensities."""

    @property
    def foreground(self) -> Foreground:
        """Where its structure is."""


def inventory_of(
    seen: Sequence[Surveyed], held_back: Sequence[Surveyed], folder: Path
) -> Inventory:
    """List the files of both sides, by their names below the data folder."""
    sides = (("trained on", seen), ("held back", held_back))
    return {
        f"{name} is {side}": found
        for side, images in sides
        for name, found in _files(images, folder).items()
    }


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Say what the first difference of two inventories is, if there is one."""
    for entry in sorted({*before, *now}):
        if entry not in now:
            return f"then {entry}, now not"
        if entry not in before:
            return f"now {entry}, then not"
        if before[entry] != now[entry]:
            return f"{entry}, and has changed"
    return None


def _files(images: Iterable[Surveyed], folder: Path) -> dict[str, str]:
    sums: dict[str, int] = {}
    for image in images:
        looks = _looks(image).encode()
        for file in image.shows:
            sums[file] = crc32(looks, sums.get(file, 0))
    return {_name(file, folder): f"{_size(file)} {sums[file]:08x}" for file in sums}


def _looks(image: Surveyed) -> str:
    """Give what tells an image from another, in digits that no rounding changes."""
    mapping = image.mapping
    numbers = (mapping.offset, mapping.scale, image.foreground.mean)
    return " ".join([str(image.shape), *(f"{number:.4g}" for number in numbers)])


def _name(file: str, folder: Path) -> str:
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file


def _size(file: str) -> int:
    """Give the bytes of a file; of folders, and of what is drawn, none are counted."""
    return os.path.getsize(file) if os.path.isfile(file) else 0
