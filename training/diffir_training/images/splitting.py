"""Hold images back for validation, whole files at a time where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from diffir_core.errors import InputError


class FromFile(Protocol):
    """What comes from a file: a plane, a clean plane, a pair."""

    @property
    def file(self) -> str:
        """The file; planes of one file show the same specimen."""


FromFileT = TypeVar("FromFileT", bound=FromFile)
Groups = list[tuple[float, list[FromFileT]]]
"""Weight and images of every source."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Which images training must not see."""

    fraction: float
    """Of the files of each source, between 0 and 1."""
    files: str | None = None
    """Pattern of the names of the files to hold back, instead of a fraction."""


def split_groups(
    groups: Groups[FromFileT], held_back: HeldBack, seed: int
) -> tuple[Groups[FromFileT], Groups[FromFileT]]:
    """Give the images to train on, and those held back, by source.

    A source of a single plane is for training alone.

    Raises
    ------
    InputError
        If no source has two planes.
    """
    parts = [(weight, split(images, held_back, seed)) for weight, images in groups]
    training = [(weight, seen) for weight, (seen, _) in parts if seen]
    kept = [(weight, kept) for weight, (_, kept) in parts if kept]
    if held_back.files is not None and not (kept and training):
        raise InputError(
            f"Validation holds back '{held_back.files}', which matches "
            f"{'all' if kept else 'none'} of the files; mend the pattern."
        )
    if not kept:
        raise InputError(
            "Validation needs a source of two planes or more; add images, or leave "
            "validation out of the recipe (--set validation=null)."
        )
    return training, kept


def split(
    planes: Sequence[FromFileT], held_back: HeldBack, seed: int
) -> tuple[list[FromFileT], list[FromFileT]]:
    """Give the planes to train on, and those held back, in their order.

    Planes of a file stay together: a neighbour along Z or T would give the held-back
    one away. Of n files, ``n * fraction`` are held back, rounded, at least one and
    never all. Of a single file, its last planes are.
    """
    files = sorted({plane.file for plane in planes})
    if held_back.files is None and len(files) < 2:
        seen = len(planes) - _count(len(planes), held_back.fraction)
        return list(planes[:seen]), list(planes[seen:])
    kept = _files(files, held_back, seed)
    return (
        [plane for plane in planes if plane.file not in kept],
        [plane for plane in planes if plane.file in kept],
    )


def _files(files: list[str], held_back: HeldBack, seed: int) -> set[str]:
    if held_back.files is not None:
        return {f for f in files if fnmatch(Path(f).name, held_back.files)}
    order = np.random.default_rng(seed).permutation(len(files))
    return {files[i] for i in order[: _count(len(files), held_back.fraction)]}


def _count(things: int, fraction: float) -> int:
    return min(max(round(things * fraction), 1), things - 1) if things else 0
