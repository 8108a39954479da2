"""The residual stream of a plane: in memory, or in a temporary file beyond it."""

from __future__ import annotations

import mmap
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffir_core.engine.spans import Span
from diffir_core.errors import InputError

RESIDENT_BYTES = 1 << 27
_MAPPED_AROUND_BYTES = 1 << 16


class FeatureMap:
    """(height, width, channels) float32, in parts that lie side by side in channels."""

    def __init__(self, parts: Sequence[Tensor], store: Store) -> None:
        self._parts, self._store = parts, store
        self.height, self.width = parts[0].shape[:2]
        self.channels = sum(part.shape[2] for part in parts)
        self.device = parts[0].device

    def beside(self, other: FeatureMap) -> FeatureMap:
        """Give both, `self` first: a concatenation without a copy."""
        return FeatureMap([*self._parts, *other._parts], self._store)

    def read(self, rows: slice, columns: slice, out: Tensor) -> None:
        """Copy a tile to `out` (rows, columns, channels)."""
        for part, channels in self._by_part():
            for some, place in self._store.pieces(part, rows, columns):
                out[place, :, channels].copy_(part[some, columns])

    def _by_part(self) -> Iterator[tuple[Tensor, slice]]:
        first = 0
        for part in self._parts:
            last = first + part.shape[2]
            yield part, slice(first, last)
            first = last

    def tile(
        self, rows: slice, columns: slice, halo: int, device: torch.device
    ) -> Tensor:
        """Give a tile and a halo around it, zeros where the map ends.

        Returns (rows + 2 halo, columns + 2 halo, channels).
        """

        def read(rows: slice, columns: slice) -> Tensor:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            out = torch.empty(*shape, self.channels, device=device)
            self.read(rows, columns, out)
            return out

        return padded(read, (rows, columns), (self.height, self.width), halo)

    def write(self, rows: slice, columns: slice, values: Tensor) -> None:
        """Store a tile (rows, columns, channels)."""
        for part, channels in self._by_part():
            for some, place in self._store.pieces(part, rows, columns):
                part[some, columns].copy_(values[place, :, channels])


def padded(
    read: Callable[[slice, slice], Tensor],
    tile: tuple[slice, slice],
    size: tuple[int, int],
    halo: int,
) -> Tensor:
    """Read a tile (rows, columns, channels) with a halo, zeros beyond 0 and `size`."""
    spans, padding = [], []
    for span, end in zip(tile, size, strict=True):
        first, last = span.start - halo, span.stop + halo
        spans.append(slice(max(0, first), min(end, last)))
        padding.append((max(0, -first), max(0, last - end)))
    values = read(*spans)
    if any(any(pair) for pair in padding):
        rows, columns = padding
        values = F.pad(values, (0, 0, *columns, *rows))
    return values.contiguous()


class Store(Protocol):
    """Where feature maps are kept."""

    def allocate(self, height: int, width: int, channels: int) -> FeatureMap:
        """Give a new map; its values are undefined."""

    def pieces(
        self, part: Tensor, rows: slice, columns: slice
    ) -> Iterator[tuple[slice, slice]]:
        """Cut rows that are to be touched; give each piece, and its place in them."""


class MemoryStore:
    """Keeps maps in the memory of a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def allocate(self, height: int, width: int, channels: int) -> FeatureMap:
        """Give a new map; its values are undefined."""
        shape = (height, width, channels)
        return FeatureMap([torch.empty(shape, device=self.device)], self)

    def pieces(
        self, part: Tensor, rows: slice, columns: slice
    ) -> Iterator[tuple[slice, slice]]:
        """Give all at once: memory is memory."""
        yield rows, slice(0, rows.stop - rows.start)


class FileStore:
    """Keeps maps in temporary files, mapped to memory, hardly resident in it.

    The files have no name: whatever happens to the process, nothing stays on the disk.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder or tempfile.gettempdir())
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._touched_bytes = 0

    def allocate(self, height: int, width: int, channels: int) -> FeatureMap:
        """Give a new map; its values are undefined."""
        size = 4 * height * width * channels
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise InputError(
                f"Restoring this plane within the memory budget needs {size / 1e9:.1f} "
                f"GB of disk in {self.folder}, {free / 1e9:.1f} GB are free; set "
                "TMPDIR to a larger disk or raise memory."
            )
        with tempfile.TemporaryFile(dir=self.folder) as file:
            file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
        with self._lock:
            self._maps.add(mapped)
        values = np.frombuffer(mapped, np.float32).reshape(height, width, channels)
        return FeatureMap([torch.from_numpy(values)], self)

    def pieces(
        self, part: Tensor, rows: slice, columns: slice
    ) -> Iterator[tuple[slice, slice]]:
        """Cut such that few pages become resident, and let go of them in between."""
        row_bytes = 4 * (columns.stop - columns.start) * part.shape[2]
        # However few columns are read, the system maps whole pages around them.
        mapped_bytes = 2 * (row_bytes + _MAPPED_AROUND_BYTES)
        step = max(1, RESIDENT_BYTES // 4 // mapped_bytes)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            yield slice(start, stop), slice(start - rows.start, stop - rows.start)
            self._touched_bytes += (stop - start) * mapped_bytes
            if self._touched_bytes > RESIDENT_BYTES // 2:
                self._touched_bytes = 0
                self._let_go()

    def _let_go(self) -> None:
        # The pages stay in the cache of the system, which may drop them; ours is lent.
        advice = getattr(mmap, "MADV_DONTNEED", None)
        if advice is not None:
            with self._lock:
                for mapped in self._maps:
                    mapped.madvise(advice)


class Edges:
    """The columns around the seams between panels, as they were before a sweep.

    Panels are transformed in place and in any order; what a neighbour needs of them is
    kept here.
    """

    def __init__(self, features: FeatureMap, panels: Sequence[Span], halo: int) -> None:
        self._features, self._halo = features, halo
        self._kept = {
            panel.inner.start: self._keep(panel.inner.start) for panel in panels[1:]
        }

    def _keep(self, seam: int) -> Tensor:
        columns = slice(max(0, seam - self._halo), seam + self._halo)
        columns = slice(columns.start, min(columns.stop, self._features.width))
        height, channels = self._features.height, self._features.channels
        shape = (height, columns.stop - columns.start, channels)
        kept = torch.empty(shape, device=self._features.device)
        self._features.read(slice(0, height), columns, kept)
        return kept

    def read(self, rows: slice, panel: Span, out: Tensor) -> None:
        """Copy rows of a panel with its halo to `out` (rows, columns, channels)."""
        inner, outer, local = panel.inner, panel.outer, panel.local
        self._features.read(rows, inner, out[:, local])
        left, right = local.start, outer.stop - inner.stop
        if left:
            kept = self._kept[inner.start][rows]
            seam = min(self._halo, inner.start)
            out[:, :left].copy_(kept[:, seam - left : seam])
        if right:
            kept = self._kept[inner.stop][rows]
            seam = min(self._halo, inner.stop)
            out[:, local.stop :].copy_(kept[:, seam : seam + right])
