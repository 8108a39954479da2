"""The convolutions around and between the levels, over tiles.

They see a pixel or two beyond their own: a tile is read with that halo, passed through
the layers of the network itself, and cropped.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from diffir_core.engine.features import FeatureMap, Store
from diffir_core.engine.planes import Plane
from diffir_core.engine.spans import Span, cut
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.workers import Tick, Workers
from diffir_core.nn import DIRformer

Maps = Generator[float, None, list[FeatureMap]]


class LocalLayers:
    """Runs layers of a DIRformer over all tiles of some planes."""

    def __init__(
        self,
        network: DIRformer,
        workers: Workers,
        store: Store,
        tiling: Tiling,
        device: torch.device,
    ) -> None:
        self._network, self._workers, self._store = network, workers, store
        self._tiling, self._device = tiling, device

    def embed(self, planes: Sequence[Plane]) -> Maps:
        """Give the features of level 1 before its first block."""
        config = self._network.config
        maps = [self._new(*plane.body_shape, config.dim) for plane in planes]
        tasks = [
            partial(self._embed, plane, features, rows, columns)
            for plane, features in zip(planes, maps, strict=True)
            for rows, columns in self._tiles(features, config.dim, halo=1)
        ]
        yield from self._workers.run(tasks)
        return maps

    def _embed(
        self, plane: Plane, out: FeatureMap, rows: Span, columns: Span, tick: Tick
    ) -> None:
        factor = self._network.config.body_unshuffle
        tile = plane.tile(rows.outer, columns.outer, factor, self._device)
        values = self._network.embed(tile)[..., rows.local, columns.local]
        out.write(rows.inner, columns.inner, _channels_last(values))
        tick(0.0)

    def down(self, layer: nn.Module, maps: Sequence[FeatureMap]) -> Maps:
        """Halve the size and double the channels."""
        halves = [self._new(m.height // 2, m.width // 2, 2 * m.channels) for m in maps]
        tasks = [
            partial(self._resize, layer, features, half, rows, columns)
            for features, half in zip(maps, halves, strict=True)
            for rows, columns in self._tiles(
                features, features.channels, halo=2, multiple=2
            )
        ]
        yield from self._workers.run(tasks)
        return halves

    def up(self, layer: nn.Module, maps: Sequence[FeatureMap]) -> Maps:
        """Double the size and halve the channels."""
        doubles = [self._new(m.height * 2, m.width * 2, m.channels // 2) for m in maps]
        tasks = [
            partial(self._resize, layer, features, double, rows, columns)
            for features, double in zip(maps, doubles, strict=True)
            for rows, columns in self._tiles(features, 2 * features.channels, halo=1)
        ]
        yield from self._workers.run(tasks)
        return doubles

    def _resize(
        self,
        layer: nn.Module,
        features: FeatureMap,
        out: FeatureMap,
        rows: Span,
        columns: Span,
        tick: Tick,
    ) -> None:
        scale = out.height / features.height
        values = layer(features.tile(rows.outer, columns.outer, self._device))
        values = values[..., _scaled(rows.local, scale), _scaled(columns.local, scale)]
        place = _scaled(rows.inner, scale), _scaled(columns.inner, scale)
        out.write(*place, _channels_last(values))
        tick(0.0)

    def merge(
        self,
        layer: nn.Module,
        reduce: nn.Module,
        maps: Sequence[FeatureMap],
        skips: Sequence[FeatureMap],
    ) -> Generator[float, None, None]:
        """Double the size, put the skips beside, reduce; the result replaces them."""
        tasks = [
            partial(self._merge, layer, reduce, features, skip, rows, columns)
            for features, skip in zip(maps, skips, strict=True)
            for rows, columns in self._tiles(features, 4 * features.channels, halo=1)
        ]
        yield from self._workers.run(tasks)

    def _merge(
        self,
        layer: nn.Module,
        reduce: nn.Module,
        features: FeatureMap,
        skip: FeatureMap,
        rows: Span,
        columns: Span,
        tick: Tick,
    ) -> None:
        up = layer(features.tile(rows.outer, columns.outer, self._device))
        up = up[..., _scaled(rows.local, 2), _scaled(columns.local, 2)]
        place = _scaled(rows.inner, 2), _scaled(columns.inner, 2)
        beside = skip.tile(*place, self._device)
        skip.write(*place, _channels_last(reduce(torch.cat([up, beside], dim=1))))
        tick(0.0)

    def end(
        self, maps: Sequence[FeatureMap], planes: Sequence[Plane]
    ) -> Generator[float, None, None]:
        """Turn the last features into restored planes."""
        config = self._network.config
        enlarging = config.architecture == "sr"
        widest = 16 * config.dim if enlarging else 2 * config.dim
        tasks = [
            partial(self._end, plane, features, rows, columns)
            for plane, features in zip(planes, maps, strict=True)
            for rows, columns in self._tiles(
                features, widest, halo=2 if enlarging else 1
            )
        ]
        yield from self._workers.run(tasks)

    def _end(
        self, plane: Plane, features: FeatureMap, rows: Span, columns: Span, tick: Tick
    ) -> None:
        config = self._network.config
        lq = plane.tile(rows.outer, columns.outer, config.body_unshuffle, self._device)
        x = features.tile(rows.outer, columns.outer, self._device)
        factor = config.body_unshuffle * config.scale
        image = self._network.end(x, lq)
        image = image[..., _scaled(rows.local, factor), _scaled(columns.local, factor)]
        plane.put(rows.inner, columns.inner, factor, image)
        tick(0.0)

    def _new(self, height: int, width: int, channels: int) -> FeatureMap:
        return self._store.allocate(height, width, channels)

    def _tiles(
        self, features: FeatureMap, widest: int, *, halo: int, multiple: int = 1
    ) -> list[tuple[Span, Span]]:
        side = self._tiling.tile_side(widest)
        return [
            (rows, columns)
            for rows in cut(features.height, side, halo, multiple)
            for columns in cut(features.width, side, halo, multiple)
        ]


def _scaled(span: slice, scale: float) -> slice:
    return slice(int(span.start * scale), int(span.stop * scale))


def _channels_last(values: Tensor) -> Tensor:
    """Give (rows, columns, channels) of (1, channels, rows, columns)."""
    return values[0].permute(1, 2, 0)
