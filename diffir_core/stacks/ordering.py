"""In which order the units of a stack are done; it may change while they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.units import Unit


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

    def look_at(self, position: Mapping[str, int]) -> None:
        """Move the focus: indices by axis letter, such as ``{"T": 0, "Z": 12}``."""
        self._position = dict(position)  # One assignment: no lock is needed.

    def choose(self, remaining: Sequence[Unit]) -> int:
        """Give the unit with the plane nearest to the focus; the first of equals."""
        focus = self._position
        distances = [
            min(_distance(plane, focus) for plane in unit.planes) for unit in remaining
        ]
        return distances.index(min(distances))


def _distance(plane: PlaneIndex, focus: Mapping[str, int]) -> int:
    return sum(
        abs(index - focus[axis]) for axis, index in plane.position if axis in focus
    )
