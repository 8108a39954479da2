"""In which order the units of a stack are done; it may change while they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.units import Unit

_TAKEN = np.iinfo(np.int64).max


class UnitOrder(Protocol):
    """Asked from the reading thread before every unit; must not take long."""

    def choose(self, remaining: Sequence[Unit]) -> int:
        """Give the index in `remaining` (never empty) of the unit to do next."""


class InOrder:
    """First come, first served."""

    def choose(self, remaining: Sequence[Unit]) -> int:
        """Give the first."""
        return 0


class NearestFirst:
    """The plane that is looked at first, then outward from it.

    Other threads may move the focus at any time; about two units that are already read
    are done before it takes effect.
    """

    def __init__(self, position: Mapping[str, int] | None = None) -> None:
        self._position = dict(position or {})
        self._distances: _Distances | None = None

    def look_at(self, position: Mapping[str, int]) -> None:
        """Move the focus: indices by axis letter, such as ``{"T": 0, "Z": 12}``."""
        self._position = dict(position)  # One assignment: no lock is needed.

    def choose(self, remaining: Sequence[Unit]) -> int:
        """Give the unit with the plane nearest to the focus; the first of equals."""
        focus, known = self._position, self._distances
        index = known.take_nearest(remaining, focus) if known else None
        if index is None:
            self._distances = known = _Distances(remaining)
            index = known.take_nearest(remaining, focus)
        return index or 0


class _Distances:
    """Distances of units, computed anew only when the focus moves.

    A stack may have a million units: asking each of them before every unit would take
    longer than restoring.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = list(units)
        self._most = max(len(unit.planes) for unit in units)
        self._places = _places(units, self._most)
        self._taken = np.zeros(len(units), np.bool_)
        self._focus: Mapping[str, int] | None = None
        self._distances = np.zeros(len(units), np.int64)

    def take_nearest(
        self, remaining: Sequence[Unit], focus: Mapping[str, int]
    ) -> int | None:
        """Give the index of the nearest of those that are left.

        None if `remaining` are others than those that have not been taken.
        """
        if len(remaining) != len(self._units) - np.count_nonzero(self._taken):
            return None
        if focus != self._focus:
            self._look_at(focus)
        nearest = int(self._distances.argmin())
        index = nearest - int(np.count_nonzero(self._taken[:nearest]))
        if remaining[index] is not self._units[nearest]:
            return None
        self._taken[nearest], self._distances[nearest] = True, _TAKEN
        return index

    def _look_at(self, focus: Mapping[str, int]) -> None:
        distances = np.zeros((len(self._units), self._most), np.int64)
        for axis, places in self._places.items():
            if axis in focus:
                distances += abs(places - focus[axis])
        self._distances = np.where(self._taken, _TAKEN, distances.min(axis=1))
        self._focus = focus


def _places(units: Sequence[Unit], most: int) -> dict[str, NDArray[np.int64]]:
    """Give the indices of the planes of units along each axis, (units, planes)."""
    found = [[_indices(plane) for plane in unit.planes] for unit in units]
    for planes in found:  # Shorter units repeat a plane: it is as near as it was.
        planes += planes[-1:] * (most - len(planes))
    axes = [axis for axis, _ in units[0].planes[0].position]
    indices = np.array(found, np.int64).reshape(len(units), most, len(axes))
    return {axis: indices[..., number] for number, axis in enumerate(axes)}


def _indices(plane: PlaneIndex) -> list[int]:
    return [index for _, index in plane.position]
