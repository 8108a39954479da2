"""Panels of planes, and how one of them runs through a block, strip by strip.

A panel is some columns of a plane, with those of its neighbours that it sees. Panels
are transformed in place, in any order and by several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from diffir_core.engine.features import Edges, FeatureMap
from diffir_core.engine.folding import FoldedBlock
from diffir_core.engine.planes import Job
from diffir_core.engine.spans import Span, cut
from diffir_core.engine.streams import (
    MAIN_LAG,
    AttentionSums,
    Streams,
    StripShape,
)
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.workers import Tick

HALO = 3
"""Columns that neighbouring panels share: v, the feed-forward, and the next q and k."""
MAIN_WORK, SUM_WORK = 2.0, 1.0
"""Work per value: through a block, and for the sums that the attention of one needs."""


class Panel(NamedTuple):
    """Some columns of a plane, before a block."""

    number: int
    """Of the plane."""
    features: FeatureMap
    span: Span
    block: FoldedBlock


class PanelRunner:
    """Runs panels through their blocks, and counts the strips."""

    def __init__(
        self, streams: Streams, tiling: Tiling, device: torch.device, threads: int
    ) -> None:
        self._streams, self._tiling = streams, tiling
        self._device, self._threads = device, threads
        self.tiles_done = 0

    def cut(
        self, jobs: Sequence[Job], maps: list[FeatureMap], block: str, halo: int
    ) -> list[Panel]:
        """Cut maps into panels, for `block` and the columns that it sees beyond."""
        panels = []
        for number, (job, features) in enumerate(zip(jobs, maps, strict=True)):
            folded = job.folded[block]
            width = self._tiling.panel_width(
                self._streams,
                features.width,
                folded.channels,
                folded.hidden,
                -(-self._threads // len(jobs)),
            )
            spans = cut(features.width, width, halo)
            panels += [Panel(number, features, span, folded) for span in spans]
        return panels

    def sums(self, panel: Panel, tick: Tick) -> AttentionSums:
        """Take the sums that the attention of the panel's block needs."""
        features, span, block = panel.features, panel.span, panel.block
        shape = self._shape(panel, 1)
        stream = self._streams.of_sums(block, shape)
        for first in range(0, features.height + 1, shape.rows):
            rows = _inside(first, shape)
            if rows.stop > rows.start:
                features.read(rows, span.outer, stream.input[: rows.stop - rows.start])
            stream.push(first)
            self._done(tick, SUM_WORK, rows, panel)
        return stream.sums()

    def sweep(
        self,
        panel: Panel,
        edges: Edges,
        mixing: Tensor,
        following: FoldedBlock | None,
        tick: Tick,
    ) -> AttentionSums | None:
        """Send a panel through its block, in place; give the sums for `following`."""
        features, span = panel.features, panel.span
        lag = MAIN_LAG + (following is not None)
        shape = self._shape(panel, lag)
        stream = self._streams.main(panel.block, mixing, following, shape)
        for first in range(0, features.height + lag, shape.rows):
            rows = _inside(first, shape)
            if rows.stop > rows.start:
                edges.read(rows, span, stream.input[: rows.stop - rows.start])
            stream.push(first)
            kept = _inside(first - MAIN_LAG, shape)
            if kept.stop > kept.start:
                local = slice(
                    kept.start - first + MAIN_LAG, kept.stop - first + MAIN_LAG
                )
                features.write(kept, span.inner, stream.output[local, span.local])
            self._done(tick, MAIN_WORK + (SUM_WORK if following else 0), rows, panel)
        return stream.sums() if following else None

    def _shape(self, panel: Panel, lag: int) -> StripShape:
        block, features = panel.block, panel.features
        rows = self._tiling.strip_rows(
            self._streams,
            features.height + lag,
            panel.span.length,
            block.channels,
            block.hidden,
        )
        return StripShape(
            rows,
            panel.span.length,
            features.height,
            panel.span.local,
            self._device,
        )

    def _done(self, tick: Tick, work: float, rows: slice, panel: Panel) -> None:
        self.tiles_done += 1
        inner = panel.span.inner
        pixels = (rows.stop - rows.start) * (inner.stop - inner.start)
        tick(work * pixels * panel.features.channels)


def _inside(first: int, shape: StripShape) -> slice:
    """Give those rows of a strip that exist."""
    start = min(max(first, 0), shape.height)
    return slice(start, max(start, min(first + shape.rows, shape.height)))
