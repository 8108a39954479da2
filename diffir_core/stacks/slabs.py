"""Chunks that are many planes deep: decoded once, and not once for each plane.

Zarr decodes a chunk whole, dask computes one whole. Where chunks reach over 32 planes,
32 times as much would be decoded as there is.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.axes import PlaneIndex, in_memory

MOST_BYTES = 2**30
"""More than this is never taken to hold a slab."""
_WHILE_READ = 4
"""Times as much as a slab itself is there while dask puts it together."""

Selection = tuple[int | slice, ...]


class Slabs:
    """Reads planes of a chunked array, and holds the chunks of the last one.

    Another process receives one that holds nothing.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self._edges = chunk_edges(array)
        self._holds = False
        self._held: tuple[Selection, NDArray[Any]] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Slabs], tuple[Any]]:
        return Slabs, (self._array,)

    def hold(self, planes: Sequence[PlaneIndex], most_bytes: int) -> int:
        """Hold from now on what fits; give the bytes that this may take.

        Parameters
        ----------
        planes
            Those that will be read, in their order; nothing is held where no two that
            follow each other lie in the same chunks.
        most_bytes
            The room that there is.
        """
        self._held = None  # The array may have changed since.
        needed = self._most_needed(planes[0]) * _WHILE_READ
        fits = needed <= min(most_bytes, MOST_BYTES)
        self._holds = fits and bool(needed) and self._have_fellows(planes)
        return needed if self._holds else 0

    def take(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        if not self._holds:
            return plane.take(self._array)
        around = self._around(plane)
        inside = replace(plane, selection=_relative(plane.selection, around))
        with self._lock:
            if self._held is None or self._held[0] != around:
                self._held = None  # Before the next one comes.
                self._held = around, in_memory(self._array[around])
            # Or a plane that waits would keep all of its slab.
            return inside.take(self._held[1]).copy()

    def _have_fellows(self, planes: Sequence[PlaneIndex]) -> bool:
        around = (self._around(plane) for plane in planes)
        return any(one == other for one, other in pairwise(around))

    def _around(self, plane: PlaneIndex) -> Selection:
        """Give the chunks that a plane lies in, over all of its rows and columns."""
        return tuple(
            _chunk_of(item, edges) if isinstance(item, int) else item
            for item, edges in zip(plane.selection, self._edges, strict=True)
        )

    def _most_needed(self, plane: PlaneIndex) -> int:
        """Give the most bytes that chunks of planes have; 0 if they are of one each."""
        depths = [
            int(np.diff(edges, prepend=0).max())
            for item, edges in zip(plane.selection, self._edges, strict=False)
            if isinstance(item, int)
        ]
        others = [
            len(range(*item.indices(size)))
            for item, size in zip(plane.selection, self._array.shape, strict=True)
            if isinstance(item, slice)
        ]
        itemsize = np.dtype(self._array.dtype).itemsize
        return prod(depths) * prod(others) * itemsize if prod(depths) > 1 else 0


def chunk_edges(array: Any) -> tuple[NDArray[np.intp], ...]:
    """Give where chunks end along each axis: of Zarr or dask; of others, nothing."""
    try:
        chunks, shape = tuple(array.chunks), tuple(array.shape)
        edges = tuple(
            np.cumsum(chunk) if isinstance(chunk, tuple) else _regular(chunk, size)
            for chunk, size in zip(chunks, shape, strict=True)
        )
        ends = tuple(one[-1] for one in edges)
    except Exception:  # It has none, or others call something else their chunks.
        return ()
    return edges if ends == shape else ()


def _regular(chunk: int, size: int) -> NDArray[np.intp]:
    return np.append(np.arange(chunk, size, chunk), size)


def _chunk_of(index: int, edges: NDArray[np.intp]) -> slice:
    """Give the chunk that an index is in."""
    number = int(np.searchsorted(edges, index, side="right"))
    return slice(int(edges[number - 1]) if number else 0, int(edges[number]))


def _relative(selection: Selection, around: Selection) -> Selection:
    """Give a selection as one within what is around it."""
    return tuple(
        item - outer.start
        if isinstance(item, int) and isinstance(outer, slice)
        else item
        for item, outer in zip(selection, around, strict=True)
    )
