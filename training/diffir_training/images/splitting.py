"""Hold images back for validation, whole files at a time where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from os.path import normpath
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from diffir_core.errors import InputError
from diffir_core.stacks.axes import CHANNEL_AXES
from diffir_training.images.planes import Position


class FromFile(Protocol):
    """What comes from a file: a plane, a clean plane, a pair."""

    @property
    def file(self) -> str:
        """The file; planes of one file show the same specimen."""

    @property
    def shows(self) -> tuple[str, ...]:
        """All files that show its specimen: its own, and the clean one of a pair."""

    @property
    def position(self) -> Position:
        """Where it is in its file; repeated frames are at the same position."""


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

    A source that shows a single place is for training alone. What one source holds
    back, no other trains on: an image that is in several is split by the first.

    Raises
    ------
    InputError
        If no source shows two places.
    """
    sides = _Sides(set(), set())
    parts = [(weight, sides.add(images, held_back, seed)) for weight, images in groups]
    training = [(weight, seen) for weight, (seen, _) in parts if seen]
    kept = [(weight, kept) for weight, (_, kept) in parts if kept]
    if held_back.files is not None and not (kept and training):
        raise InputError(
            f"Validation holds back '{held_back.files}', which matches "
            f"{'all' if kept else 'none'} of the files; mend the pattern."
        )
    if not kept:
        raise InputError(
            "Validation needs a source of two planes or more that show different "
            "places, which channels and repeated frames do not; add images, leave "
            "validation out of the recipe (--set validation=null), or train in napari "
            "on a layer, of which a part is kept for it."
        )
    return training, kept


def split(
    planes: Sequence[FromFileT], held_back: HeldBack, seed: int
) -> tuple[list[FromFileT], list[FromFileT]]:
    """Give the planes to train on, and those held back, in their order.

    Planes of a file stay together: a neighbour along Z or T would give the held-back
    one away; and so do all noisy files of one clean file. Of n such specimens,
    ``n * fraction`` are held back, rounded, at least one and never all. Of a single
    one, its last places are.
    """
    labels: list[Any] = _specimens(planes)
    if held_back.files is None and len(set(labels)) < 2:
        labels = [_place(plane) for plane in planes]
        places = list(dict.fromkeys(labels))
        kept = set(places[len(places) - _count(len(places), held_back.fraction) :])
    else:
        kept = _chosen(planes, labels, held_back, seed)
    both = list(zip(planes, labels, strict=True))
    return (
        [plane for plane, label in both if label not in kept],
        [plane for plane, label in both if label in kept],
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """Which places, of all sources so far, are on which side."""

    seen: set[tuple[str, Position]]
    kept: set[tuple[str, Position]]

    def add(
        self, images: list[FromFileT], held_back: HeldBack, seed: int
    ) -> tuple[list[FromFileT], list[FromFileT]]:
        """Split the images of a further source so that no place changes its side."""
        kept = [one for one in images if _shown(one) & self.kept]
        if held_back.files is not None:  # A name has the same side everywhere.
            _, kept = split(images, held_back, seed)
        elif not kept:
            free = [one for one in images if self.seen.isdisjoint(_shown(one))]
            _, kept = split(free, held_back, seed)
        taken = self.kept.union(*map(_shown, kept))
        seen = [one for one in images if taken.isdisjoint(_shown(one))]
        kept = [one for one in images if not taken.isdisjoint(_shown(one))]
        self.seen.update(*map(_shown, seen))
        self.kept.update(taken)
        return seen, kept


def _shown(image: FromFile) -> set[tuple[str, Position]]:
    return {(normpath(file), _place(image)) for file in image.shows}


def _place(image: FromFile) -> Position:
    """Give the position but for the channel: all channels show the same place."""
    return tuple(at for at in image.position if at[0] not in CHANNEL_AXES)


def _specimens(images: Sequence[FromFile]) -> list[str]:
    """Give, for each image, the first of the files that show the same as it does."""
    leaders: dict[str, str] = {}

    def leader(file: str) -> str:
        while leaders.setdefault(file, file) != file:
            file = leaders[file]
        return file

    for image in images:
        first, *others = (leader(normpath(file)) for file in image.shows)
        leaders.update(dict.fromkeys(others, first))
    led = [leader(normpath(image.shows[0])) for image in images]
    names: dict[str, str] = {}
    for name, image in zip(led, images, strict=True):
        names[name] = min(names.get(name, image.file), image.file)
    return [names[name] for name in led]


def _chosen(
    images: Sequence[FromFile], specimens: list[str], held_back: HeldBack, seed: int
) -> set[str]:
    """Give the specimens to hold back, by name or by chance."""
    if (pattern := held_back.files) is not None:
        named = zip(images, specimens, strict=True)
        return {s for image, s in named if fnmatch(Path(image.file).name, pattern)}
    names = sorted(set(specimens))
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[i] for i in order[: _count(len(names), held_back.fraction)]}


def _count(things: int, fraction: float) -> int:
    return min(max(round(things * fraction), 1), things - 1) if things else 0
