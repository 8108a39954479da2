"""Pixels of a plane of which nothing was recorded: they stay exactly as they are.

They are NaN, or far below all that was recorded (`IntensityMapping.blank_below`).

The network would take the step to them for structure, and from an even area it would
learn that there is no noise. It sees what is beside them instead, mirrored along the
rows, and the result has the values that they had.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core._converting import converted
from diffir_core.engine.planes import TileReader
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.stacks.extremes import without_hot_pixels

_COMPANY = 3
"""Of its eight neighbours, so many are as dark as an empty pixel; a dead one is alone,
and in a dead row it has two of its kind."""
_ALL = slice(None)
_STRIP_VALUES = 2**17
"""At a time, as the indices of what is mirrored take much more memory than they."""


class Blanks:
    """The empty pixels of a plane, (channels, Y, X), with their values; mostly none."""

    def __init__(self, values: NDArray[Any], mapping: IntensityMapping) -> None:
        self._values, self._mapping = values, mapping
        self._blank = _blank_pixels(values, mapping)
        self._fill: NDArray[Any] | None = None

    @property
    def are_there(self) -> bool:
        """Tell whether any pixel is empty."""
        return self._blank is not None

    def recorded(self) -> NDArray[Any]:
        """Give the plane as the network may see it: no empty and no hot pixels."""
        return without_hot_pixels(self.filled(), self._mapping)

    def filled(self) -> NDArray[Any]:
        """Give the values with what is beside empty pixels mirrored into them."""
        if self._blank is None:
            return self._values
        if self._fill is not None:
            return self._fill
        dark_end = self._mapping.offset
        if self._values.dtype.kind in "iu":
            dark_end = round(dark_end)
        out = np.array(self._values)
        for image, blank in zip(out, self._blank, strict=True):
            _mirror_into(image, blank)
            if blank.all():
                image[:] = dark_end
        return out

    def cut_to(self, rows: slice, columns: slice) -> None:
        """Keep those of a part of the plane, filled as they are in the whole."""
        part = slice(None), rows, columns
        if self._blank is not None:
            self._fill = self.filled()[part].copy()
            self._blank = self._blank[part]
        self._values = self._values[part]

    def as_input(self, read: TileReader) -> TileReader:
        """Give a reader of the network's input, of one of what it may see."""
        return read

    def input_of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the network's input, of the whole plane as it may see it."""
        return values

    def only_made(
        self, tile: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Give a restored tile, of these raw pixels, with 0 for all that stays."""
        return tile

    def put_back(
        self,
        result: NDArray[Any],
        rows: slice = _ALL,
        columns: slice = _ALL,
        scale: int = 1,
    ) -> None:
        """Put the values of empty pixels into a part of the result, in place.

        Parameters
        ----------
        result
            (channels, scale * rows, scale * columns), of any dtype.
        rows, columns
            Of the raw plane.
        """
        if self._blank is not None:
            values, _ = converted(self._values[:, rows, columns], result.dtype)
            blank = _repeated(self._blank[:, rows, columns], scale)
            np.copyto(result, _repeated(values, scale), where=blank)

    def put_zero(self, result: NDArray[Any], scale: int = 1) -> None:
        """Put 0 into all empty pixels of a result, in place."""
        if self._blank is not None:
            result[_repeated(self._blank, scale)] = 0


def _repeated(part: NDArray[Any], scale: int) -> NDArray[Any]:
    if scale == 1:
        return part
    return part.repeat(scale, axis=1).repeat(scale, axis=2)


def check_holds_missing(values: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Refuse NaN among values that are to become integers."""
    if dtype.kind != "f" and values.dtype.kind == "f":
        if missing := int(np.isnan(values).sum()):
            raise InputError(
                f"The image has {missing} NaN, which {dtype} cannot hold; choose "
                "the output type float32, or replace them."
            )


def is_empty(values: NDArray[Any], mapping: IntensityMapping) -> bool:
    """Tell whether nothing at all was recorded of a plane, (channels, Y, X)."""
    blank = _blank_pixels(values, mapping)
    return blank is not None and bool(blank.all())


def recorded(values: NDArray[Any], mapping: IntensityMapping) -> NDArray[Any]:
    """Give (channels, Y, X) as the network may see it: no empty and no hot pixels."""
    return Blanks(values, mapping).recorded()


def _blank_pixels(
    values: NDArray[Any], mapping: IntensityMapping
) -> NDArray[np.bool_] | None:
    blank = None
    if mapping.blank_below is not None:
        dark = np.asarray(values < mapping.blank_below)
        if dark.any():
            blank = dark & (_dark_neighbours(dark) >= _COMPANY)
    if values.dtype.kind == "f" and (missing := np.isnan(values)).any():
        blank = missing if blank is None else missing | blank
    return blank if blank is not None and blank.any() else None


def _dark_neighbours(dark: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Count them among the eight of each pixel; borders go on outside."""
    around = np.pad(dark.view(np.uint8), ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    squares = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return np.asarray(squares - dark, np.uint8)


def _mirror_into(image: NDArray[Any], blank: NDArray[np.bool_]) -> None:
    """Fill empty pixels of (Y, X) from their row; rows that are empty from others."""
    step = max(1, _STRIP_VALUES // image.shape[1])
    for first in range(0, len(image), step):
        rows = slice(first, first + step)
        if blank[rows].any():
            index = _mirrored_index(~blank[rows])
            image[rows] = np.take_along_axis(image[rows], index, axis=1)
    empty = np.asarray(blank.all(axis=1))
    if empty.any():
        (index,) = _mirrored_index(~empty[None])
        image[empty] = image[index[empty]]


def _mirrored_index(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give where each place of (rows, n) has its value from: itself, if it is there.

    Else from the nearest run of places that are there, mirrored at its end as often as
    it takes.
    """
    here = np.arange(there.shape[1])[None]
    before, after = _nearest(there, here)
    left = (before >= 0) & ((after >= there.shape[1]) | (here - before <= after - here))
    edge = np.where(left, before, after).clip(0, there.shape[1] - 1)
    ends = (np.take_along_axis(gap, edge, axis=1) for gap in _nearest(~there, here))
    length = np.abs(np.where(left, *ends) - edge).clip(1)
    phase = (np.abs(here - edge) - 1) % (2 * length)
    inwards = np.minimum(phase, 2 * length - 1 - phase)
    source = edge + np.where(left, -inwards, inwards)
    return np.asarray(np.where(there, here, source).clip(0, there.shape[1] - 1))


def _nearest(
    wanted: NDArray[np.bool_], here: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the last wanted place up to each one, or -1, and the next one, or n."""
    before = np.maximum.accumulate(np.where(wanted, here, -1), axis=1)
    onwards = np.where(wanted, here, wanted.shape[1])[:, ::-1]
    return before, np.minimum.accumulate(onwards, axis=1)[:, ::-1]
