"""What a look at each plane tells: its intensity mapping and where its structure is.

A plane is cut into at most 64 x 64 cells. Of each, a square of at most 16 x 16 pixels
is looked at:

    +----pitch---+------------+--
    | 16 |       | 16 |       |      structure of a cell = standard deviation of the
    |----+       |----+       |      means of 4 x 4 pixels in its square: averaging
    |            |            |      takes most of the noise away, not the structure
    +------------+------------+--
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from einops import reduce
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_training.images.checks import check_finite
from diffir_training.images.configs import IntensityKind
from diffir_training.images.planes import ImagePlane, Position

_CELLS = 64
_SQUARE = 16
_BLOCK = 4
_WHOLE_VALUES = 2**24
"""Planes up to this many values are read at once, larger ones in bands."""
_SAMPLED_PLANES = 64
_SAMPLED_VALUES = 100_000


@dataclass(frozen=True, slots=True)
class Foreground:
    """How much structure is where in a plane."""

    row_edges: NDArray[np.int64]
    """Edges of the cells along Y in pixels, from 0 to the height."""
    column_edges: NDArray[np.int64]
    """Edges of the cells along X in pixels, from 0 to the width."""
    structure: NDArray[np.float32]
    """(cell rows, cell columns); 0 where the plane is empty."""

    @property
    def mean(self) -> float:
        """Mean structure over the area of the plane."""
        heights, widths = np.diff(self.row_edges), np.diff(self.column_edges)
        area = int(heights.sum()) * int(widths.sum())
        return float(heights @ self.structure.astype(np.float64) @ widths) / area

    def scaled(self, factor: float) -> Foreground:
        """Give the structure in other units."""
        return replace(self, structure=(self.structure * factor).astype(np.float32))

    def shrunk(self, factor: int) -> Foreground:
        """Give the cells in the pixels of an image smaller by `factor`."""
        return replace(
            self,
            row_edges=self.row_edges // factor,
            column_edges=self.column_edges // factor,
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What the look at one plane found."""

    mapping: IntensityMapping
    """One for all planes of a file that are of the same channel, as in restoration."""
    foreground: Foreground
    """In the units of the plane."""


def unseen_survey(plane: ImagePlane) -> Survey:
    """Give what holds without a look: the range of the type, structure everywhere."""
    _, height, width = plane.shape
    edges = np.array([0, height]), np.array([0, width])
    foreground = Foreground(*edges, np.ones((1, 1), np.float32))
    return Survey(range_mapping(plane.dtype), foreground)


def survey_planes(
    planes: Sequence[ImagePlane], intensity: IntensityKind = "percentiles"
) -> list[Survey]:
    """Look at every plane once; values that are not finite are refused.

    At most 16.8 million values are in memory at a time, and no plane afterwards.
    """
    stacks: dict[tuple[str, Position], list[int]] = {}
    for i, plane in enumerate(planes):
        channel = tuple(at for at in plane.position if at[0] in "CS")
        stacks.setdefault((plane.file, channel), []).append(i)
    surveys: dict[int, Survey] = {}
    for members in stacks.values():
        found = _survey_stack([planes[i] for i in members], intensity)
        surveys.update(zip(members, found, strict=True))
    return [surveys[i] for i in range(len(planes))]


def _survey_stack(
    planes: Sequence[ImagePlane], intensity: IntensityKind
) -> list[Survey]:
    step = -(-len(planes) // _SAMPLED_PLANES)
    samples, foregrounds = [], []
    for i, plane in enumerate(planes):
        sample, foreground = _look(plane)
        foregrounds.append(foreground)
        if i % step == 0:
            samples.append(sample)
    if intensity == "range":
        mapping = range_mapping(planes[0].dtype)
    else:
        mapping = _fitted(planes[0].name, np.concatenate(samples))
    return [Survey(mapping, foreground) for foreground in foregrounds]


def _fitted(name: str, sample: NDArray[Any]) -> IntensityMapping:
    try:
        return fit_mapping(sample)
    except InputError as error:
        raise InputError(f"{name} cannot be trained on: {error}") from error


def range_mapping(dtype: np.dtype[Any]) -> IntensityMapping:
    """Map the whole range of integers to 0 .. 1; floats stay as they are."""
    scale = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
    return IntensityMapping(offset=0.0, scale=scale)


def _look(plane: ImagePlane) -> tuple[NDArray[Any], Foreground]:
    """Give a sample of the values, and the structure, of one plane."""
    _, height, width = plane.shape
    if min(height, width) < _BLOCK:
        raise InputError(
            f"{plane.name} has {height} x {width} pixels; images for training need at "
            f"least {_BLOCK} x {_BLOCK}: leave it out."
        )
    rows, columns = _edges(height), _edges(width)
    bands = list(_scores(plane, rows, columns))
    sample = np.concatenate([sample for sample, _ in bands])
    scores = np.stack([score for _, score in bands]).astype(np.float32)
    return sample, Foreground(rows, columns, scores)


def _edges(size: int) -> NDArray[np.int64]:
    """Cut an extent into cells of equal pitch; the last takes what is left over."""
    pitch = max(_SQUARE, -(-size // _CELLS))
    edges = np.arange(max(1, size // pitch) + 1, dtype=np.int64) * pitch
    edges[-1] = size
    return edges


def _scores(
    plane: ImagePlane, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Iterator[tuple[NDArray[Any], NDArray[np.float64]]]:
    """Give, for each row of cells, a sample of its values and its structure."""
    channels, height, width = plane.shape
    thick = min(_SQUARE, height)
    step = max(1, channels * thick * width * (len(rows) - 1) // _SAMPLED_VALUES) | 1
    for band in _bands(plane, rows, thick):
        yield band.ravel()[::step].copy(), _structure(band, columns)


def _bands(
    plane: ImagePlane, edges: NDArray[np.int64], thick: int
) -> Iterator[NDArray[Any]]:
    """Give the upper rows of each row of cells; of floats, all rows are checked."""
    channels, height, width = plane.shape
    if channels * height * width <= _WHOLE_VALUES:
        whole = plane.read(slice(0, height), slice(0, width))
        check_finite(plane.name, whole)
        yield from (whole[:, start : start + thick] for start in edges[:-1])
        return
    for start, stop in pairwise(edges.tolist()):
        last = stop if plane.dtype.kind == "f" else start + thick
        band = plane.read(slice(start, last), slice(0, width))
        check_finite(plane.name, band)
        yield band[:, :thick]


def _structure(band: NDArray[Any], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the structure of the cells along a band (channels, thick, width)."""
    _, thick, width = band.shape
    tall, wide = (min(_SQUARE, size) // _BLOCK * _BLOCK for size in (thick, width))
    across = columns[:-1, None] + np.arange(wide)
    squares = band[:, :tall, across].astype(np.float64)  # (c, y, n, x)
    blocks = reduce(
        squares, "c (y by) n (x bx) -> c y n x", "mean", by=_BLOCK, bx=_BLOCK
    )
    spread: NDArray[np.float64] = blocks.std(axis=(1, 3)).mean(axis=0)
    return spread
