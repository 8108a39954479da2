"""A plane as the engine sees it: tiles read in model units, tiles written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.config import ModelConfig
from diffir_core.engine.folding import FoldedNetwork
from diffir_core.nn.padding import mirror_index, padded_size

TileReader = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]
"""(rows, columns) as indices -> (channels, rows, columns) in model units."""
TileWriter = Callable[[slice, slice, NDArray[np.float32]], None]
"""Takes (channels, rows, columns) in model units, at the size of the result."""


@dataclass(frozen=True)
class Plane:
    """A plane of any size, mirrored at its right and bottom to what the network takes.

    Reading happens tile by tile and from many threads, so that neither the mirrored
    plane nor its float32 copy ever exists as a whole.
    """

    height: int
    width: int
    config: ModelConfig
    read: TileReader
    write: TileWriter
    rows: NDArray[np.intp] = field(init=False)
    columns: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        for name, size in (("rows", self.height), ("columns", self.width)):
            index = mirror_index(size, self.config).numpy()
            object.__setattr__(self, name, index)

    @property
    def body_shape(self) -> tuple[int, int]:
        """Height and width of the first level's features."""
        factor = self.config.body_unshuffle
        height, width = (padded_size(s, self.config) for s in (self.height, self.width))
        return height // factor, width // factor

    def tile(
        self, rows: slice, columns: slice, factor: int, device: torch.device
    ) -> Tensor:
        """Give (1, channels, rows, columns) of a tile in units of `factor` pixels."""
        at_rows = self.rows[factor * rows.start : factor * rows.stop]
        at_columns = self.columns[factor * columns.start : factor * columns.stop]
        values = torch.from_numpy(self.read(at_rows, at_columns))
        return values[None].to(device)

    def put(self, rows: slice, columns: slice, factor: int, values: Tensor) -> None:
        """Write the result of a tile, cropped to the plane."""
        scale = self.config.scale
        kept = []
        for span, size in ((rows, self.height), (columns, self.width)):
            stop = min(factor * span.stop, scale * size)
            kept.append(slice(factor * span.start, max(stop, factor * span.start)))
        height, width = (span.stop - span.start for span in kept)
        if height and width:
            tile = values[0, :, :height, :width].float().cpu().numpy()
            self.write(kept[0], kept[1], tile)


def array_plane(
    values: NDArray[np.float32], config: ModelConfig, out: NDArray[np.float32]
) -> Plane:
    """Give the plane of an array (channels, height, width), restored into `out`."""

    def read(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        return take_tile(values, rows, columns).astype(np.float32, copy=False)

    def write(rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        out[:, rows, columns] = tile

    return Plane(values.shape[1], values.shape[2], config, read, write)


def take_tile(
    values: NDArray[np.generic], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.generic]:
    """Copy a tile out of (channels, height, width)."""
    if _consecutive(rows) and _consecutive(columns):
        return values[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return np.ascontiguousarray(values[:, rows[:, None], columns[None, :]])


def _consecutive(indices: NDArray[np.intp]) -> bool:
    """Tell whether indices, mirrored at the end at most, count up one by one."""
    return bool(indices[-1] - indices[0] == len(indices) - 1)


@dataclass(eq=False)
class Job:
    """A plane to restore under a folded IPR, with its attention matrices."""

    plane: Plane
    folded: FoldedNetwork
    attention: dict[str, Tensor] = field(default_factory=dict)
    """(heads, c, c) by block: given for a frozen plane, else filled on the way."""
