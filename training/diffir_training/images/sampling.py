"""Windows to train on: mostly where there is structure, by number the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_training.images.checks import check_fits
from diffir_training.images.pairs import PairSource
from diffir_training.images.survey import Foreground


class Sampled(Protocol):
    """What windows are drawn of, such as `CleanPlane` and `PlanePair`."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""

    @property
    def foreground(self) -> Foreground:
        """Where its structure is, in model units."""


SampledT = TypeVar("SampledT", bound=Sampled)


@dataclass(frozen=True, slots=True)
class Spot(Generic[SampledT]):
    """An image, and a pixel that the window must hold; None for anywhere."""

    source: SampledT
    pixel: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Window(Generic[SampledT]):
    """A window of an image, and which of the eight flips and rotations to give it."""

    source: SampledT
    rows: slice
    columns: slice
    flip: int


class ForegroundSampler(Generic[SampledT]):
    """Draws windows of groups of images.

    A group is drawn by its weight. A share of `uniform_fraction` of the windows is
    uniform over the images of the group and the places in them. The others hold a pixel
    that is drawn in proportion to the structure around it, over all images of the
    group: a window's chance is that of the structure within it, and empty images, such
    as the outer planes of a stack, come seldom.
    """

    def __init__(
        self,
        groups: Sequence[tuple[float, Sequence[SampledT]]],
        seed: int,
        uniform_fraction: float = 0.3,
    ) -> None:
        if not groups or not all(images for _, images in groups):
            raise InputError("There is no image to draw windows of; add some.")
        if not 0 <= uniform_fraction <= 1:
            raise InputError(
                f"uniform_fraction is {uniform_fraction}; it must be from 0 to 1."
            )
        self._groups = [images for _, images in groups]
        self._weights = _cumulative([weight for weight, _ in groups])
        self._structure = [
            _cumulative([image.foreground.mean for image in images])
            for images in self._groups
        ]
        self._seed = seed
        self._uniform_fraction = uniform_fraction

    def generator(self, number: int, index: int) -> np.random.Generator:
        """Give the random numbers of the window `index` of the batch `number`.

        They depend on nothing else: a resumed training sees what an unbroken one would.
        """
        return np.random.default_rng((self._seed, number, index))

    def window(self, number: int, index: int, size: int) -> Window[SampledT]:
        """Draw the window `index` of the batch `number`, `size` x `size` pixels."""
        generator = self.generator(number, index)
        return self.around(self.spot(generator), size, generator)

    def spot(self, generator: np.random.Generator) -> Spot[SampledT]:
        """Draw an image and a place in it, for a window whose size depends on it."""
        group = _draw(self._weights, generator)
        images, structure = self._groups[group], self._structure[group]
        if generator.random() < self._uniform_fraction or structure[-1] <= 0:
            return Spot(images[int(generator.integers(len(images)))], None)
        image = images[_draw(structure, generator)]
        return Spot(image, _foreground_pixel(image.foreground, generator))

    def around(
        self, spot: Spot[SampledT], size: int, generator: np.random.Generator
    ) -> Window[SampledT]:
        """Draw one of the windows that hold the spot, all with the same chance."""
        check_fits([spot.source], size)
        rows, columns = (
            _extent(
                extent, None if spot.pixel is None else spot.pixel[i], size, generator
            )
            for i, extent in enumerate(spot.source.shape[1:])
        )
        return Window(spot.source, rows, columns, int(generator.integers(8)))


def read_pair(
    window: Window[PairSource],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read both sides of a window in model units, flipped alike."""
    source = window.source
    noisy, clean = (
        flipped(source.mapping.to_model(side), window.flip)
        for side in source.read(window.rows, window.columns)
    )
    return noisy, clean


def flipped(patch: NDArray[np.float32], which: int) -> NDArray[np.float32]:
    """Give one of the eight flips and rotations of (channels, y, x); 0 is as it is."""
    patch = np.rot90(patch, which % 4, axes=(-2, -1))
    return np.ascontiguousarray(patch[..., ::-1] if which >= 4 else patch)


def _foreground_pixel(
    foreground: Foreground, generator: np.random.Generator
) -> tuple[int, int]:
    """Draw a pixel: a cell by its structure and area, then any pixel of the cell."""
    heights, widths = np.diff(foreground.row_edges), np.diff(foreground.column_edges)
    weights = foreground.structure * heights[:, None] * widths
    cell = _draw(_cumulative(weights.ravel().tolist()), generator)
    row, column = divmod(cell, len(widths))
    return (
        int(foreground.row_edges[row] + generator.integers(heights[row])),
        int(foreground.column_edges[column] + generator.integers(widths[column])),
    )


def _extent(
    extent: int, pixel: int | None, size: int, generator: np.random.Generator
) -> slice:
    """Draw a stretch of `size` pixels; one that holds `pixel`, if there is one."""
    first, last = 0, extent - size
    if pixel is not None:
        first, last = max(first, pixel - size + 1), min(last, pixel)
    start = int(generator.integers(first, last + 1))
    return slice(start, start + size)


def _cumulative(weights: Sequence[float]) -> list[float]:
    return [float(total) for total in np.cumsum(weights, dtype=np.float64)]


def _draw(cumulative: Sequence[float], generator: np.random.Generator) -> int:
    """Draw an index in proportion to weights, given their running sums."""
    drawn = bisect_right(cumulative, generator.random() * cumulative[-1])
    return min(drawn, len(cumulative) - 1)
