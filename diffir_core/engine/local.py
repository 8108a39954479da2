"""The convolutions before and between the levels, over tiles.

They see a pixel or two beyond their own: a tile is read with that halo, zeros where the
plane ends.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from diffir_core.engine.dense import Convolution, DenseLayers, Merge
from diffir_core.engine.features import FeatureMap, padded, shuffled
from diffir_core.engine.planes import Plane
from diffir_core.engine.spans import Tile, cut, scaled
from diffir_core.engine.storage import Store
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.workers import Tick, Workers

Maps = Generator[float, None, list[FeatureMap]]


class LocalLayers:
    """Runs the dense layers of a DIRformer over all tiles of some planes."""

    def __init__(
        self,
        dense: DenseLayers,
        workers: Workers,
        store: Store,
        tiling: Tiling,
        device: torch.device,
    ) -> None:
        self._dense, self._workers, self._store = dense, workers, store
        self._config = dense.network.config
        self._tiling, self._device = tiling, device

    def embed(self, planes: Sequence[Plane]) -> Maps:
        """Give the features of level 1 before its first block."""
        dim = self._config.dim
        maps = [FeatureMap.new(self._store, *plane.body_shape, dim) for plane in planes]
        tasks = [
            partial(self._embed, plane, features, tile)
            for plane, features in zip(planes, maps, strict=True)
            for tile in self._tiles(features, dim)
        ]
        yield from self._workers.run(tasks)
        return maps

    def _embed(self, plane: Plane, out: FeatureMap, tile: Tile, tick: Tick) -> None:
        convolve, factor = self._dense.embed, self._config.body_unshuffle

        def read(rows: slice, columns: slice) -> Tensor:
            lq = plane.tile(rows, columns, factor, self._device)
            return F.pixel_unshuffle(lq, factor)[0].permute(1, 2, 0)

        values = padded(read, tile, plane.body_shape, convolve.reach)
        out.write(*tile, convolve(values))
        tick(0.0)

    def down(self, level: int, maps: Sequence[FeatureMap]) -> Maps:
        """Halve the size and double the channels of a level, counted from 0."""
        halves = [
            FeatureMap.new(self._store, m.height // 2, m.width // 2, 2 * m.channels)
            for m in maps
        ]
        tasks = [
            partial(self._down, self._dense.down[level], features, half, tile)
            for features, half in zip(maps, halves, strict=True)
            for tile in self._tiles(features, features.channels, multiple=2)
        ]
        yield from self._workers.run(tasks)
        return halves

    def _down(
        self,
        convolve: Convolution,
        features: FeatureMap,
        half: FeatureMap,
        tile: Tile,
        tick: Tick,
    ) -> None:
        values = convolve(features.tile(*tile, convolve.reach, self._device))
        rows, columns = (slice(span.start // 2, span.stop // 2) for span in tile)
        unshuffled = "(h dy) (w dx) c -> h w (c dy dx)"
        half.write(rows, columns, rearrange(values, unshuffled, dy=2, dx=2))
        tick(0.0)

    def up(self, maps: Sequence[FeatureMap]) -> Maps:
        """Double the size and halve the channels of level 2."""
        doubles = [
            FeatureMap.new(self._store, m.height * 2, m.width * 2, m.channels // 2)
            for m in maps
        ]
        tasks = [
            partial(self._up, features, double, tile)
            for features, double in zip(maps, doubles, strict=True)
            for tile in self._tiles(features, 2 * features.channels)
        ]
        yield from self._workers.run(tasks)
        return doubles

    def _up(
        self, features: FeatureMap, double: FeatureMap, tile: Tile, tick: Tick
    ) -> None:
        place, values = self._enlarged(self._dense.up, features, tile)
        double.write(*place, values)
        tick(0.0)

    def _enlarged(
        self, convolve: Convolution, features: FeatureMap, tile: Tile
    ) -> tuple[Tile, Tensor]:
        values = convolve(features.tile(*tile, convolve.reach, self._device))
        place = scaled(tile[0], 2), scaled(tile[1], 2)
        return place, shuffled(values, 2)

    def merge(
        self, level: int, maps: Sequence[FeatureMap], skips: Sequence[FeatureMap]
    ) -> Generator[float, None, None]:
        """Double the size, put the skips of a level beside, reduce; it replaces them.

        Levels are counted from 0: 2 comes first, then 1.
        """
        layer = self._dense.merge[2 - level]
        tasks = [
            partial(self._merge, layer, features, skip, tile)
            for features, skip in zip(maps, skips, strict=True)
            for tile in self._tiles(features, 4 * features.channels)
        ]
        yield from self._workers.run(tasks)

    def _merge(
        self,
        layer: Merge,
        features: FeatureMap,
        skip: FeatureMap,
        tile: Tile,
        tick: Tick,
    ) -> None:
        place, values = self._enlarged(layer.enlarge, features, tile)
        beside = layer.skip(skip.tile(*place, 0, self._device))
        skip.write(*place, values + beside)
        tick(0.0)

    def _tiles(
        self, features: FeatureMap, widest: int, *, multiple: int = 1
    ) -> list[Tile]:
        side = self._tiling.tile_side(widest)
        return [
            (rows.inner, columns.inner)
            for rows in cut(features.height, side, 0, multiple)
            for columns in cut(features.width, side, 0, multiple)
        ]
