"""The end of the network: from the last features to restored planes, over tiles.

At the border of a plane each convolution of the tail meets zeros of its own, of which
the one kernel that stands for all of them knows nothing: there the tail itself is run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from diffir_core.engine.dense import DenseLayers
from diffir_core.engine.features import FeatureMap, shuffled
from diffir_core.engine.planes import Plane
from diffir_core.engine.spans import Tile, cut, scaled, shifted
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.workers import Tick, Workers
from diffir_core.nn.dirformer import enlarged


class Tail:
    """Runs the tail of a DIRformer over all tiles of some planes."""

    def __init__(
        self,
        dense: DenseLayers,
        workers: Workers,
        tiling: Tiling,
        device: torch.device,
    ) -> None:
        self._dense, self._workers = dense, workers
        self._config = dense.network.config
        self._tiling, self._device = tiling, device

    def end(
        self, maps: Sequence[FeatureMap], planes: Sequence[Plane]
    ) -> Generator[float, None, None]:
        """Turn the last features into restored planes."""
        pairs = list(zip(planes, maps, strict=True))
        tasks = [
            *(
                partial(self._end, *p, tile)
                for p in pairs
                for tile in self._inner(p[1])
            ),
            *(
                partial(self._end_at_border, *p, tile)
                for p in pairs
                for tile in self._frame(p[1])
            ),
        ]
        yield from self._workers.run(tasks)

    def _end(self, plane: Plane, features: FeatureMap, tile: Tile, tick: Tick) -> None:
        convolve = self._dense.end
        values = convolve(features.tile(*tile, convolve.reach, self._device))
        image = shuffled(values, self._dense.enlarging).permute(2, 0, 1)[None]
        self._put(plane, tile, image)
        tick(0.0)

    def _end_at_border(
        self, plane: Plane, features: FeatureMap, tile: Tile, tick: Tick
    ) -> None:
        """Run the tail itself; beyond the tile it needs what `end` sees, and zeros."""
        reach, scale = self._dense.end.reach, self._dense.enlarging
        outer, local = _grown(tile, plane.body_shape, reach, scale)
        x = features.tile(*outer, 0, self._device).permute(2, 0, 1)[None]
        image = self._dense.network.tail(x)[..., local[0], local[1]]
        self._put(plane, tile, image)
        tick(0.0)

    def _put(self, plane: Plane, tile: Tile, image: Tensor) -> None:
        """Add the input where the network predicts a residual, and write."""
        config = self._config
        if config.architecture != "inpainting":
            image = image + self._enlarged_input(plane, tile)
        plane.put(*tile, config.body_unshuffle * config.scale, image)

    def _enlarged_input(self, plane: Plane, tile: Tile) -> Tensor:
        """Read a tile with the neighbours that interpolation needs, and enlarge it."""
        factor, scale = self._config.body_unshuffle, self._config.scale
        reach = 1 if self._config.body_grid == "input" else 0
        outer, local = _grown(tile, plane.body_shape, reach, factor * scale)
        lq = plane.tile(*outer, factor, self._device)
        return enlarged(lq, self._config)[..., local[0], local[1]]

    def _inner(self, features: FeatureMap) -> Iterator[Tile]:
        border = self._dense.border
        side = self._tiling.tile_side(2 * self._config.dim)
        for rows in cut(features.height - 2 * border, side, 0):
            for columns in cut(features.width - 2 * border, side, 0):
                yield shifted(rows.inner, border), shifted(columns.inner, border)

    def _frame(self, features: FeatureMap) -> Iterator[Tile]:
        border, height, width = self._dense.border, features.height, features.width
        if not border:
            return
        side = self._tiling.tile_side(16 * self._config.dim)
        for edge in (slice(0, border), slice(height - border, height)):
            for columns in cut(width, side, 0):
                yield edge, columns.inner
        for edge in (slice(0, border), slice(width - border, width)):
            for rows in cut(height - 2 * border, side, 0):
                yield shifted(rows.inner, border), edge


def _grown(
    tile: Tile, shape: tuple[int, int], reach: int, scale: int
) -> tuple[Tile, Tile]:
    """Grow a tile by what its result sees, within the plane.

    Also tell where the tile itself lies in what the grown one gives, `scale` times as
    large.
    """
    outer, local = [], []
    for span, size in zip(tile, shape, strict=True):
        first = max(0, span.start - reach)
        outer.append(slice(first, min(size, span.stop + reach)))
        local.append(scaled(shifted(span, -first), scale))
    return (outer[0], outer[1]), (local[0], local[1])
