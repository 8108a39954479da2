"""Where the pixels of a plane are in an uncompressed, tiled TIFF."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.metadata import ImageSpec

_OME_ORDER = "TZCYXS"
_TILE_SIDE = 512
_DIRECTORY_BYTES = 512
"""Of a page, about."""


class PagePart(NamedTuple):
    """What of a page a plane, or one of its channels, is."""

    page: int
    samples: slice | None
    """The samples of RGB pixels; None if the page is nothing else."""
    image: NDArray[Any]
    """(Y, X, samples): a view of the plane's values."""


class TiffLayout:
    """Where the pixels of a plane are in the file."""

    def __init__(self, spec: ImageSpec) -> None:
        given = spec.metadata.axes
        known = set(given) <= set(_OME_ORDER)
        order = sorted(given, key=_OME_ORDER.index) if known else _samples_last(given)
        self.axes = "".join(order)
        self.shape = tuple(spec.shape[given.index(axis)] for axis in order)
        self.dtype = spec.dtype
        sizes = dict(zip(self.axes, self.shape, strict=True))
        self.height, self.width = sizes["Y"], sizes["X"]
        self.samples = sizes.get("S", 1)
        self.is_rgb = self.samples in (3, 4)
        self._outer = [axis for axis in self.axes if axis not in "YXS"]
        self._outer_shape = tuple(sizes[axis] for axis in self._outer)
        sides = (_tile_side(self.height), _tile_side(self.width))
        self.tile = sides
        self._grid = tuple(
            -(-size // side)
            for size, side in zip((self.height, self.width), sides, strict=True)
        )
        self.tile_bytes = prod(sides) * self.samples * self.dtype.itemsize
        self.page_bytes = prod(self._grid) * self.tile_bytes
        self.file_bytes = self.page_count * (self.page_bytes + _DIRECTORY_BYTES)

    @property
    def stored_shape(self) -> tuple[int, int, int, int, int, int]:
        """Give (pages, separate samples, depth, Y, X, samples)."""
        return (self.page_count, 1, 1, self.height, self.width, self.samples)

    def plane_shape(self, plane: PlaneIndex) -> tuple[int, int, int]:
        """Give (channels, Y, X) of a plane."""
        count = prod(
            self.shape[self.axes.index(axis)]
            for axis, item in zip(plane.axes, plane.selection, strict=True)
            if axis not in "YX" and isinstance(item, slice)
        )
        return count, self.height, self.width

    @property
    def page_count(self) -> int:
        """Give the number of pages."""
        return prod(self._outer_shape)

    def indices(self, axis: str) -> list[int]:
        """Give where along an axis each page is; along one that is not there, at 0."""
        if axis not in self._outer:
            return [0] * self.page_count
        grid = np.indices(self._outer_shape)[self._outer.index(axis)]
        return [int(index) for index in grid.ravel()]

    @property
    def tile_count(self) -> int:
        """Give the number of tiles of all pages."""
        return self.page_count * prod(self._grid)

    def parts(self, plane: PlaneIndex, values: NDArray[Any]) -> list[PagePart]:
        """Give the pages that a plane, (channels, Y, X), is on."""
        chosen = dict(zip(plane.axes, plane.selection, strict=True))
        joint = [axis for axis in self._outer if isinstance(chosen[axis], slice)]
        if not joint:
            image = np.moveaxis(values, 0, -1)
            sample = chosen.get("S", slice(None))
            if isinstance(sample, int) and self.samples > 1:
                return [PagePart(self._page(chosen), slice(sample, sample + 1), image)]
            return [PagePart(self._page(chosen), None, image)]
        return [
            PagePart(self._page({**chosen, joint[0]: n}), None, channel[:, :, None])
            for n, channel in enumerate(values)
        ]

    def _page(self, chosen: dict[str, int | slice]) -> int:
        index = tuple(chosen[axis] for axis in self._outer)
        if not index:
            return 0
        return int(np.ravel_multi_index(index, self._outer_shape))  # type: ignore[arg-type]

    def cut(self, image: NDArray[Any]) -> NDArray[Any]:
        """Cut (Y, X, samples) into tiles, one after the other, filled up with 0."""
        (down, across), (rows, columns) = self._grid, self.tile
        full = np.zeros((down * rows, across * columns, self.samples), self.dtype)
        full[: self.height, : self.width] = image
        tiles = full.reshape(down, rows, across, columns, self.samples)
        return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3, 4))

    def joined(self, page: bytes) -> NDArray[Any]:
        """Give (Y, X, samples) of the tiles of a page."""
        (down, across), (rows, columns) = self._grid, self.tile
        tiles = np.frombuffer(page, self.dtype)
        tiles = tiles.reshape(down, across, rows, columns, self.samples)
        full = tiles.transpose(0, 2, 1, 3, 4)
        full = full.reshape(down * rows, across * columns, self.samples)
        return full[: self.height, : self.width]


def _tile_side(size: int) -> int:
    """Give a tile's side: a multiple of 16, as TIFF demands, and little in vain."""
    tiles = -(-size // _TILE_SIDE)
    return -(-size // (16 * tiles)) * 16


def _samples_last(axes: str) -> list[str]:
    """Order the axes of a page last; others stay as they are."""
    return sorted(axes, key=lambda axis: "YXS".find(axis))
