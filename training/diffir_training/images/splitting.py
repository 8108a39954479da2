"""Hold images back for validation, whole files at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from diffir_core.errors import InputError


class FromFile(Protocol):
    """What comes from a file: a plane, a clean plane, a pair."""

    @property
    def file(self) -> str:
        """The file; planes of one file show the same specimen."""


FromFileT = TypeVar("FromFileT", bound=FromFile)


def split(
    planes: Sequence[FromFileT], held_back_fraction: float, seed: int
) -> tuple[list[FromFileT], list[FromFileT]]:
    """Give the planes to train on, and those held back, in their order.

    Planes of a file stay together: a neighbour along Z or T would give the held-back
    one away. Of n files, ``n * held_back_fraction`` are held back, rounded, at least one
    and never all; none where the fraction is 0.
    """
    if not 0 <= held_back_fraction < 1:
        raise InputError(
            f"held_back_fraction is {held_back_fraction}; it must be from 0 to below 1."
        )
    files = sorted({plane.file for plane in planes})
    if held_back_fraction == 0:
        return list(planes), []
    if len(files) < 2:
        raise InputError(
            f"{files[0] if files else 'No file'} is all there is to train on; add files "
            "or set held_back_fraction to 0."
        )
    count = min(max(round(len(files) * held_back_fraction), 1), len(files) - 1)
    order = np.random.default_rng(seed).permutation(len(files))
    held_back = {files[i] for i in order[:count]}
    return (
        [plane for plane in planes if plane.file not in held_back],
        [plane for plane in planes if plane.file in held_back],
    )
