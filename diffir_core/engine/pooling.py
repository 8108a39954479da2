"""CPEN over tiles: its features averaged over a plane of any size."""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffir_core.engine.planes import Plane
from diffir_core.engine.spans import Span, cut
from diffir_core.engine.workers import Tick, Workers
from diffir_core.nn import CPEN
from diffir_core.nn.cpen import ResidualBlock

TILE_SIDE = 64


def pooled_features(
    cpen: CPEN, planes: list[Plane], workers: Workers, device: torch.device
) -> Generator[float, None, list[Tensor]]:
    """Give for each plane the average that CPEN's last layers see, (ipr_length,).

    Sums are taken in float64; tiles overlap by the reach of the convolutions.
    """
    tiles = [
        (number, rows, columns)
        for number, plane in enumerate(planes)
        for rows, columns in _tiles(plane, reach(cpen), workers.count / len(planes))
    ]
    length = cpen.ipr_length
    exact = torch.float32 if device.type == "mps" else torch.float64
    # Allocated at once: small results between large tiles would fragment the memory.
    sums = torch.zeros(len(tiles), length, dtype=exact, device=device)
    tasks = [
        partial(_sum_tile, cpen, planes[number], rows, columns, sums[index])
        for index, (number, rows, columns) in enumerate(tiles)
    ]
    yield from workers.run(tasks)
    owners = torch.tensor([number for number, _, _ in tiles], device=device)
    averages = []
    for number, plane in enumerate(planes):
        pixels = len(plane.rows) * len(plane.columns) / plane.config.cpen_unshuffle**2
        own = sums[owners == number]
        averages.append((own.sum(0) / pixels).float())
    return averages


def _tiles(plane: Plane, halo: int, threads: float) -> list[tuple[Span, Span]]:
    factor = plane.config.cpen_unshuffle
    height, width = (len(index) // factor for index in (plane.rows, plane.columns))
    side = min(TILE_SIDE, max(2 * halo, math.ceil(height / max(1.0, threads))))
    return [
        (rows, columns)
        for rows in cut(height, side, halo)
        for columns in cut(width, TILE_SIDE, halo)
    ]


def _sum_tile(
    cpen: CPEN, plane: Plane, rows: Span, columns: Span, out: Tensor, tick: Tick
) -> None:
    factor = plane.config.cpen_unshuffle
    tile = plane.tile(rows.outer, columns.outer, factor, out.device)
    x = F.pixel_unshuffle(tile, factor).contiguous(memory_format=torch.channels_last)
    borders = _Margins(
        rows.local.start,
        rows.length - rows.local.stop,
        columns.local.start,
        columns.length - columns.local.stop,
    )
    features = _narrowing(cpen, x, borders)
    out.copy_(features[0].sum(dim=2).sum(dim=1, dtype=out.dtype))
    tick(0.0)


class _Margins:
    """Pixels of halo left at each side of a tile; 0 at the border of the plane."""

    def __init__(self, top: int, bottom: int, left: int, right: int) -> None:
        self._sides = [top, bottom, left, right]

    def crop(self, x: Tensor, count: int) -> Tensor:
        """Drop the `count` outermost pixels, which are wrong, where there is a halo."""
        cuts = [min(count, side) for side in self._sides]
        self._sides = [a - b for a, b in zip(self._sides, cuts, strict=True)]
        top, bottom, left, right = cuts
        height, width = x.shape[-2:]
        return x[..., top : height - bottom, left : width - right]


def _narrowing(cpen: CPEN, x: Tensor, margins: _Margins) -> Tensor:
    """Run CPEN's convolutions; what only served as halo is dropped at once."""
    for layer in cpen.E:
        if isinstance(layer, nn.LeakyReLU):
            F.leaky_relu(x, layer.negative_slope, inplace=True)
        else:
            x = margins.crop(layer(x), _reach(layer))
    return x


def reach(cpen: CPEN) -> int:
    """Give how far CPEN's features see, in pixels of its input."""
    return sum(_reach(layer) for layer in cpen.E)


def _reach(layer: nn.Module) -> int:
    if isinstance(layer, ResidualBlock):
        return 2
    return 1 if isinstance(layer, nn.Conv2d) else 0
