"""The residual stream of a plane, as the levels of the network pass it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from diffir_core.engine.spans import Span
from diffir_core.engine.storage import Storage, Store


class FeatureMap:
    """(height, width, channels) float32, in parts that lie side by side in channels."""

    def __init__(self, parts: Sequence[Storage]) -> None:
        self._parts = parts
        self.height, self.width = parts[0].shape[:2]
        self.channels = sum(part.shape[2] for part in parts)
        self.device = parts[0].device

    @classmethod
    def new(cls, store: Store, height: int, width: int, channels: int) -> FeatureMap:
        """Give a new map; its values are undefined."""
        return cls([store.allocate((height, width, channels))])

    def beside(self, other: FeatureMap) -> FeatureMap:
        """Give both, `self` first: a concatenation without a copy."""
        return FeatureMap([*self._parts, *other._parts])

    def read(self, rows: slice, columns: slice, out: Tensor) -> None:
        """Copy a tile to `out` (rows, columns, channels)."""
        for part, channels in self._by_part():
            part.read(rows, columns, out[..., channels])

    def _by_part(self) -> Iterator[tuple[Storage, slice]]:
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
            out = torch.empty(*shape, self.channels, device=device, dtype=torch.float32)
            self.read(rows, columns, out)
            return out

        return padded(read, (rows, columns), (self.height, self.width), halo)

    def write(self, rows: slice, columns: slice, values: Tensor) -> None:
        """Store a tile (rows, columns, channels)."""
        for part, channels in self._by_part():
            part.write(rows, columns, values[..., channels])


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


def shuffled(values: Tensor, factor: int) -> Tensor:
    """Spread (dy dx c) of each pixel over factor x factor pixels."""
    if factor == 1:
        return values
    order = "h w (dy dx c) -> (h dy) (w dx) c"
    return rearrange(values, order, dy=factor, dx=factor)


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
        kept = torch.empty(shape, device=self._features.device, dtype=torch.float32)
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
