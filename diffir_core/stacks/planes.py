"""Planes of a stack as the engine takes them: mapped to model units tile by tile."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.config import ModelConfig
from diffir_core.engine import fine_structure, local_mean
from diffir_core.engine.planes import Plane, take_tile
from diffir_core.engine.restorer import Restorer
from diffir_core.intensity import IntensityMapping
from diffir_core.stacks.blanks import Blanks
from diffir_core.stacks.extremes import are_extreme, excess, seen
from diffir_core.stacks.holes import blanks_of, check_kept

_STRIP_ROWS = 256


class MappedPlane:
    """A plane on its way: its values, the mapping, and room for the result.

    Where the restorer keeps the local mean or fine structure, the result waits in model
    units until all of it is there. Its empty pixels are those of the values, if they
    are not given; a model for inpainting fills those that are NaN.
    """

    def __init__(
        self,
        values: NDArray[Any],
        mapping: IntensityMapping,
        restorer: Restorer,
        dtype: np.dtype[Any],
        blanks: Blanks | None = None,
    ) -> None:
        config = restorer.config
        check_kept(values, dtype, config)
        self._blanks = blanks or blanks_of(values, mapping, config)
        values = self._blanks.recorded()
        self._values, self._mapping, self._config = values, mapping, config
        self._dtype = dtype
        self._settled = restorer.settled
        self._waits = (
            self._settled.keeps_local_mean or self._settled.keeps_fine_structure
        )
        # Beyond the range, too, a plane with holes is known as it is.
        self._are_extreme = not config.fills_holes and are_extreme(values, mapping)
        height, width = (size * config.scale for size in values.shape[1:])
        shape = (config.out_channels, height, width)
        self._result = np.empty(shape, np.float32 if self._waits else dtype)
        self.clipped = 0
        """How many values the range of the dtype had to clip."""
        self._lock = threading.Lock()

    @property
    def plane(self) -> Plane:
        """Give the plane as the engine takes it.

        It is not kept here: the two would hold each other, and with them the pixels,
        until Python looks for such circles, some planes later.
        """
        height, width = self._values.shape[1:]
        read = self._blanks.as_input(self._read)
        return Plane(height, width, self._config, read, self._write)

    def _read(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        return seen(take_tile(self._values, rows, columns), self._mapping)

    def _write(self, rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        if self._waits:
            self._result[:, rows, columns] = tile
            return
        self._result[:, rows, columns] = self._in_units(tile, rows, columns)

    def restored(self) -> NDArray[Any]:
        """Give the result (channels, Y, X), once everything was written."""
        if self._waits:
            self._keep()
            in_units = np.empty(self._result.shape, self._dtype)
            for first in range(0, in_units.shape[1], _STRIP_ROWS):
                rows = slice(first, first + _STRIP_ROWS)
                in_units[:, rows] = self._in_units(self._result[:, rows], rows)
            self._result, self._waits = in_units, False
        return self._result

    def _keep(self) -> None:
        if self._settled.keeps_local_mean:
            local_mean.restore_local_mean(self._raw, self._result, self._config.scale)
        if self._settled.keeps_fine_structure:
            fine_structure.give_back_fine_structure(self._raw, self._result)

    def _raw(self, rows: slice) -> NDArray[np.float32]:
        return seen(self._values[:, rows], self._mapping)

    def _in_units(
        self, tile: NDArray[np.float32], rows: slice, columns: slice = slice(None)
    ) -> NDArray[Any]:
        given_back: NDArray[np.float64] | float = 0.0
        raw_rows, raw_columns = self._raw_span(rows), self._raw_span(columns)
        if self._are_extreme:
            raw = self._values[:, raw_rows, raw_columns]
            given_back = excess(raw, tile, self._mapping, self._config.scale)
        tile = self._blanks.only_made(tile, raw_rows, raw_columns)
        mapped, clipped = self._mapping.from_model(tile, self._dtype, given_back)
        self._blanks.put_back(mapped, raw_rows, raw_columns, self._config.scale)
        with self._lock:
            self.clipped += clipped
        return mapped

    def _raw_span(self, span: slice) -> slice:
        """Give the pixels of the raw plane that a span of the result belongs to."""
        scale = self._config.scale
        ends = (
            None if end is None else end // scale for end in (span.start, span.stop)
        )
        return slice(*ends)


def kept_reach_px(restorer: Restorer) -> int:
    """Give how far a pixel has an influence through what planes are given back."""
    settled = restorer.settled
    reach = local_mean.REACH_PX if settled.keeps_local_mean else 0
    return reach + (fine_structure.REACH_PX if settled.keeps_fine_structure else 0)


def readable_plane(
    values: NDArray[Any], mapping: IntensityMapping, config: ModelConfig
) -> Plane:
    """Give a plane that is only read, for its IPR."""
    blanks = blanks_of(values, mapping, config)
    values = blanks.recorded()

    def read(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        return seen(take_tile(values, rows, columns), mapping)

    def write(rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        raise TypeError("this plane is only read")

    reader = blanks.as_input(read)
    return Plane(values.shape[1], values.shape[2], config, reader, write)


class DiscardedPlane:
    """A plane that is restored for its attention alone."""

    def __init__(
        self, values: NDArray[Any], mapping: IntensityMapping, config: ModelConfig
    ) -> None:
        self._plane, self._config = readable_plane(values, mapping, config), config

    @property
    def plane(self) -> Plane:
        """Give the plane as the engine takes it; see `MappedPlane`."""
        plane = self._plane
        return Plane(plane.height, plane.width, self._config, plane.read, self._write)

    def _write(self, rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        """Drop the tile."""
