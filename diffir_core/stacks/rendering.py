"""Rendering: any region of a plane by itself, under what is known of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from diffir_core.config import ModelConfig
from diffir_core.engine.checking import check_ipr
from diffir_core.engine.flips import FLIPS
from diffir_core.engine.frozen import FrozenState, crop_with_halo
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex, StackLayout
from diffir_core.stacks.blanks import Blanks
from diffir_core.stacks.holes import blanks_of
from diffir_core.stacks.planes import MappedPlane, kept_reach_px
from diffir_core.stacks.reading import (
    check_dtype,
    check_request,
    read_plane,
    region_of,
    restorer_of_images,
)
from diffir_core.stacks.source import ArraySource

Region = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""


def render(
    image: Any,
    model: Model,
    state: FrozenState,
    *,
    axes: str = "YX",
    region: Region | None = None,
    options: RestoreOptions | None = None,
) -> NDArray[Any]:
    """Restore a region of one plane under a frozen state.

    The result is that of the whole plane at this place, to 1e-4 of its standard
    deviation: regions fit together without seams, in any order.

    Parameters
    ----------
    image
        Array-like of one plane; of a lazy one, only the region and a halo are read,
        unless there are empty pixels among them: the whole plane is, then.
    region
        Rows and columns of the input; None is the whole plane.
    """
    check_request(model, options)
    options = options or RestoreOptions()
    check_ipr(state.ipr, model)
    restorer = restorer_of_images(model, _under(options, state))
    _check_flips(state, restorer)
    plane = _OnlyPlane(image, axes, model.config.image_channels)
    crop = _Crop.of(region, plane.layout, restorer, state.halo)
    dtype = options.dtype(plane.dtype)
    values, blanks = plane.read(crop, state.mapping, model.config)
    mapped = MappedPlane(values, state.mapping, restorer, dtype, blanks)
    job = restorer.job(mapped.plane, state.ipr)
    job.attention = dict(state.attention)
    exhaust(restorer.restore([job]))
    return plane.with_its_axes(crop.kept(mapped.restored(), model.config.scale))


def _under(options: RestoreOptions, state: FrozenState) -> RestoreOptions:
    """Give options whose IPR is the state's, which is what it is."""
    return options.replace(ipr=state.ipr, strength=1.0, ipr_scope="plane", region=None)


def _check_flips(state: FrozenState, restorer: Restorer) -> None:
    """Refuse a state that knows one flip where all are wanted."""
    last = FLIPS[-1]
    known = any(name == last.named(name.rpartition("/")[2]) for name in state.attention)
    if restorer.settled.averages_flips and not known:
        raise InputError(
            "The state was frozen without the mean of flips; freeze the image "
            "again with this model and average_flips, or render with "
            "average_flips=False."
        )


@dataclass(frozen=True)
class _Crop:
    """A region, and the rows and columns of the plane that it needs, with a halo."""

    region: Region
    rows: slice
    columns: slice

    @classmethod
    def of(
        cls, region: Region | None, layout: StackLayout, restorer: Restorer, halo: int
    ) -> Self:
        """Grow a region by all that it depends on; None is the whole plane."""
        height, width = layout.size("Y"), layout.size("X")
        if region is None:
            region = (0, height, 0, width)
        top, bottom, left, right = region = region_of(region)
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"Region {region} is not inside the plane of {height} x {width}; give "
                "(first row, row after the last, first column, column after the last)."
            )
        reach, multiple = halo + kept_reach_px(restorer), restorer.config.size_multiple
        return cls(
            region,
            crop_with_halo(top, bottom, height, reach, multiple),
            crop_with_halo(left, right, width, reach, multiple),
        )

    def kept(self, result: NDArray[Any], scale: int) -> NDArray[Any]:
        """Cut the region out of the restored crop, (channels, Y, X)."""
        top, bottom, left, right = self.region
        above, before = self.rows.start, self.columns.start
        return result[
            :,
            (top - above) * scale : (bottom - above) * scale,
            (left - before) * scale : (right - before) * scale,
        ]


class _OnlyPlane:
    """An image that is one plane, of which parts can be read."""

    def __init__(self, image: Any, axes: str, channels: int) -> None:
        self._image = image if hasattr(image, "shape") else np.asarray(image)
        self._source = ArraySource(self._image, axes)
        check_dtype(self._source.dtype)
        planes = self._source.layout.planes(channels)
        if len(planes) != 1:
            raise InputError(f"Render one plane at a time, not {len(planes)}.")
        self._index: PlaneIndex = planes[0]

    @property
    def layout(self) -> StackLayout:
        """Give axes and sizes of the whole."""
        return self._source.layout

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the type of the values."""
        return self._source.dtype

    def read(
        self, crop: _Crop, mapping: IntensityMapping, config: ModelConfig
    ) -> tuple[NDArray[Any], Blanks]:
        """Give the values of a crop, (channels, Y, X), and which of them are empty."""
        cut = {"Y": crop.rows, "X": crop.columns}
        inside = tuple(cut.get(axis, slice(None)) for axis in self.layout.axes)
        part = ArraySource(self._image[inside], self.layout.axes)
        values = read_plane(part, self._index)
        blanks = blanks_of(values, mapping, config)
        if blanks.are_there and part.layout.shape != self.layout.shape:
            # What empty pixels see may come from anywhere.
            whole = read_plane(self._source, self._index)
            blanks = blanks_of(whole, mapping, config)
            blanks.cut_to(crop.rows, crop.columns)
        return values, blanks

    def with_its_axes(self, result: NDArray[Any]) -> NDArray[Any]:
        """Give a restored region, (channels, Y, X), the axes of the image."""
        sizes = {"Y": result.shape[1], "X": result.shape[2]}
        shape = [sizes.get(axis, self.layout.size(axis)) for axis in self.layout.axes]
        out = np.empty(shape, result.dtype)
        self._index.put(out, result)
        return out
