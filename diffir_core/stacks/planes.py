"""Planes of a stack as the engine takes them: mapped to model units tile by tile."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.config import ModelConfig
from diffir_core.engine.planes import Plane, take_tile
from diffir_core.intensity import IntensityMapping


class MappedPlane:
    """A plane on its way: its values, the mapping, and room for the result."""

    def __init__(
        self,
        values: NDArray[Any],
        mapping: IntensityMapping,
        config: ModelConfig,
        dtype: np.dtype[Any],
    ) -> None:
        self._values, self._mapping, self._config = values, mapping, config
        height, width = (size * config.scale for size in values.shape[1:])
        self.restored = np.empty((config.out_channels, height, width), dtype)
        self.clipped = 0
        self._lock = threading.Lock()

    @property
    def plane(self) -> Plane:
        """Give the plane as the engine takes it.

        It is not kept here: the two would hold each other, and with them the pixels,
        until Python looks for such circles, some planes later.
        """
        height, width = self._values.shape[1:]
        return Plane(height, width, self._config, self._read, self._write)

    def _read(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        return self._mapping.to_model(take_tile(self._values, rows, columns))

    def _write(self, rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        values, clipped = self._mapping.from_model(tile, self.restored.dtype)
        self.restored[:, rows, columns] = values
        with self._lock:
            self.clipped += clipped


def readable_plane(
    values: NDArray[Any], mapping: IntensityMapping, config: ModelConfig
) -> Plane:
    """Give a plane that is only read, for its IPR."""

    def read(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        return mapping.to_model(take_tile(values, rows, columns))

    def write(rows: slice, columns: slice, tile: NDArray[np.float32]) -> None:
        raise TypeError("this plane is only read")

    return Plane(values.shape[1], values.shape[2], config, read, write)


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
