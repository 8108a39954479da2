"""Holes of a plane, NaN, which models for inpainting fill.

Such a network sees the image with 0 in its holes, in model units, and beside it a mask
that is 1 there. All that was recorded stays exactly as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core._converting import converted
from diffir_core.config import ModelConfig
from diffir_core.engine.planes import TileReader, take_tile
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.stacks.blanks import Blanks, check_holds_missing

_ALL = slice(None)


class Holes(Blanks):
    """The pixels of a plane, (channels, Y, X), of which any channel is NaN.

    A plane of which nothing was recorded has none: there is nothing to go by.
    """

    def __init__(self, values: NDArray[Any], mapping: IntensityMapping) -> None:
        super().__init__(values, mapping)
        missing = np.isnan(values)
        self._mask = missing.any(axis=0, keepdims=True) & ~missing.all()

    def cut_to(self, rows: slice, columns: slice) -> None:
        """Keep those of a part of the plane."""
        super().cut_to(rows, columns)
        self._mask = self._mask[:, rows, columns]

    def as_input(self, read: TileReader) -> TileReader:
        """Give a reader that cuts the holes out of what `read` gives; adds the mask."""

        def masked(
            rows: NDArray[np.intp], columns: NDArray[np.intp]
        ) -> NDArray[np.float32]:
            return _masked(read(rows, columns), take_tile(self._mask, rows, columns))

        return masked

    def input_of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the plane, in model units, with 0 in its holes, and the mask."""
        return _masked(values, self._mask)

    def only_made(
        self, tile: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Give a restored tile with 0 for all that was recorded."""
        return np.where(self._filled(rows, columns), tile, np.float32(0))

    def put_back(
        self,
        result: NDArray[Any],
        rows: slice = _ALL,
        columns: slice = _ALL,
        scale: int = 1,
    ) -> None:
        """Put all that was recorded into a part of the result, in place."""
        filled = self._filled(rows, columns)
        rest = np.where(filled, 0, self._values[:, rows, columns])
        values, _ = converted(rest, result.dtype)
        np.copyto(result, values, where=~filled)

    def _filled(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Give the values that are missing where the mask is; others are known."""
        part = slice(None), rows, columns
        return np.asarray(self._mask[part] & np.isnan(self._values[part]))


def blanks_of(
    values: NDArray[Any], mapping: IntensityMapping, config: ModelConfig
) -> Blanks:
    """Give the empty pixels of a plane: those that stay so, or that a model fills."""
    kind = Holes if config.fills_holes else Blanks
    return kind(values, mapping)


def check_kept(values: NDArray[Any], dtype: np.dtype[Any], config: ModelConfig) -> None:
    """Refuse NaN that would have to become integers."""
    if not config.fills_holes or np.isnan(values).all():
        check_holds_missing(values, dtype)


def check_has_holes(dtype: np.dtype[Any], model: Model) -> None:
    """Refuse images that can have no holes, for a model that does nothing else."""
    if model.config.fills_holes and dtype.kind != "f":
        raise InputError(
            f"'{model.name}' fills pixels that are NaN, which images of {dtype} cannot "
            "have; convert the image to float32, and set what is missing to NaN."
        )


def _masked(
    values: NDArray[np.float32], mask: NDArray[np.generic]
) -> NDArray[np.float32]:
    known = np.where(mask, np.float32(0), values)
    return np.concatenate([known, mask.astype(np.float32)])
