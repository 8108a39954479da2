"""Geometry of strips of rows, in pure integers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip of rows and the halo it is computed with.

    ::

        plane   |.......................................|
        outer         |-------------------------|          read
        inner             |-----------------|              kept
        local             relative to outer            inner's place in outer
    """

    inner: slice
    outer: slice
    local: slice


def cut_strips(height: int, rows: int, halo: int) -> list[Strip]:
    """Cut `height` rows into strips of `rows`, each with `halo` rows on both sides.

    Halos end at the border of the plane, where the network itself pads with zeros.
    """
    strips = []
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        first, last = max(0, start - halo), min(height, stop + halo)
        local = slice(start - first, stop - first)
        strips.append(Strip(slice(start, stop), slice(first, last), local))
    return strips
