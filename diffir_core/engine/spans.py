"""Geometry of tiles along one axis, in pure integers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

Tile = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an axis and the halo it is computed with.

    ::

        axis    |.......................................|
        outer         |-------------------------|          read
        inner             |-----------------|              kept
        local             relative to outer            inner's place in outer
    """

    inner: slice
    outer: slice

    @property
    def local(self) -> slice:
        """The inner part, counted from the start of the outer."""
        start = self.inner.start - self.outer.start
        return slice(start, start + self.inner.stop - self.inner.start)

    @property
    def length(self) -> int:
        """Of the outer part."""
        return int(self.outer.stop - self.outer.start)


def cut(size: int, length: int, halo: int, multiple: int = 1) -> list[Span]:
    """Cut `size` into spans of nearly equal length, at most `length`, with a halo.

    All edges are multiples of `multiple` (which must divide `size` and `halo`). Halos
    end at the border of the axis, where the network itself pads with zeros.
    """
    units = size // multiple
    count = max(1, -(-size // max(length, multiple)))
    count = min(count, units)
    edges = [multiple * (units * i // count) for i in range(count + 1)]
    return [
        Span(slice(a, b), slice(max(0, a - halo), min(size, b + halo)))
        for a, b in pairwise(edges)
    ]


def scaled(span: slice, factor: int) -> slice:
    """Give the span in a plane that is `factor` times as large."""
    return slice(span.start * factor, span.stop * factor)


def shifted(span: slice, by: int) -> slice:
    """Move a span."""
    return slice(span.start + by, span.stop + by)
