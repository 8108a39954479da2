"""Regions to be filled in: strokes and boxes, and what microscopes fail to record.

Strokes and boxes are those of LaMa (Suvorov et al., WACV 2022, arXiv 2109.07161); the
strokes go back to Yu et al., "Free-form image inpainting with gated convolution", ICCV
2019, algorithm 1. A mask is bool, (height, width), True where the image is missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError
from diffir_training.degradations.base import (
    CountRange,
    PositiveRange,
    draw_count,
)

Mask = NDArray[np.bool_]
_SEGMENTS = (1, 5)
_SHORTEST = 10
_THINNEST = 5


class StrokeRanges(FrozenConfig):
    """Strokes of a thick brush, each of one to five straight segments."""

    count: CountRange = (1, 5)
    max_angle: int = Field(4, ge=1)
    """Segments turn by whole radians below this, every other stroke the other way."""
    max_length: int = Field(200, ge=1)
    """A segment is 10 pixels and up to this much longer (this excluded)."""
    max_width: int = Field(100, ge=1)
    """A brush is 5 pixels and up to this much wider (this excluded)."""


class BoxRanges(FrozenConfig):
    """Upright boxes; they shrink where the image is too small for them."""

    count: CountRange = (1, 4)
    side: CountRange = (30, 150)
    """Height and width in pixels, drawn apart."""
    margin: int = Field(10, ge=0)
    """Pixels along the borders of the image that boxes keep out of."""


class LineRanges(FrozenConfig):
    """Dead rows or columns of a sensor."""

    count: CountRange = (0, 3)
    width: CountRange = (1, 2)
    """Neighbouring rows or columns that fail together."""


class SpotRanges(FrozenConfig):
    """Round saturated spots."""

    count: CountRange = (0, 5)
    radius: PositiveRange = (1.0, 8.0)
    """Radius in pixels."""


def stroke_mask(
    height: int, width: int, generator: np.random.Generator, ranges: StrokeRanges
) -> Mask:
    """Draw irregular strokes; a segment begins where the one before ended."""
    mask = np.zeros((height, width), np.bool_)
    for stroke in range(draw_count(ranges.count, generator)):
        point = generator.integers((0, 0), (height, width)).astype(np.float64)
        for _ in range(draw_count(_SEGMENTS, generator)):
            step, brush = _draw_segment(ranges, generator)
            if stroke % 2 == 0:  # The other way around: mirrored in the y axis.
                step[1] = -step[1]
            end = np.clip(point + step, (0, 0), (height, width))
            _paint(mask, point, end, brush / 2)
            point = np.trunc(end)
    return mask


def box_mask(
    height: int, width: int, generator: np.random.Generator, ranges: BoxRanges
) -> Mask:
    """Draw boxes anywhere within the margin."""
    mask = np.zeros((height, width), np.bool_)
    for _ in range(draw_count(ranges.count, generator)):
        rows, columns = (
            _draw_extent(size, generator, ranges) for size in (height, width)
        )
        mask[rows, columns] = True
    return mask


def dead_line_mask(
    height: int, width: int, generator: np.random.Generator, ranges: LineRanges
) -> Mask:
    """Draw whole rows or columns, each as likely."""
    mask = np.zeros((height, width), np.bool_)
    for _ in range(draw_count(ranges.count, generator)):
        lines = mask if generator.random() < 0.5 else mask.T
        thickness = min(draw_count(ranges.width, generator), len(lines))
        first = int(generator.integers(len(lines) - thickness + 1))
        lines[first : first + thickness] = True
    return mask


def spot_mask(
    height: int, width: int, generator: np.random.Generator, ranges: SpotRanges
) -> Mask:
    """Draw disks centred anywhere in the image."""
    mask = np.zeros((height, width), np.bool_)
    for _ in range(draw_count(ranges.count, generator)):
        centre = generator.uniform((0, 0), (height, width)) - 0.5
        _paint(mask, centre, centre, generator.uniform(*ranges.radius))
    return mask


def _draw_segment(
    ranges: StrokeRanges, generator: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    angle = 0.01 + int(generator.integers(ranges.max_angle))
    length = _SHORTEST + int(generator.integers(ranges.max_length))
    brush = _THINNEST + int(generator.integers(ranges.max_width))
    return length * np.array([np.cos(angle), np.sin(angle)]), brush


def _draw_extent(size: int, generator: np.random.Generator, ranges: BoxRanges) -> slice:
    room = size - 2 * ranges.margin
    if room < 1:
        raise InputError(
            f"An image of {size} pixels leaves no room for boxes within margins of "
            f"{ranges.margin}; use larger patches or a smaller margin."
        )
    longest = min(ranges.side[1], room)
    side = draw_count((min(ranges.side[0], longest), longest), generator)
    first = draw_count((ranges.margin, size - ranges.margin - side), generator)
    return slice(first, first + side)


def _paint(
    mask: Mask, start: NDArray[np.float64], end: NDArray[np.float64], radius: float
) -> None:
    """Set the pixels within the radius of the segment from `start` to `end`, (y, x)."""
    low = np.maximum(np.floor(np.minimum(start, end) - radius), 0).astype(int)
    high = np.ceil(np.maximum(start, end) + radius).astype(int) + 1
    window = mask[low[0] : high[0], low[1] : high[1]]
    points = np.moveaxis(np.indices(window.shape), 0, -1) + low - start
    along = end - start
    # Where on the segment is a pixel's foot: 0 at its start, 1 at its end.
    foot = np.clip(points @ along / max(float(along @ along), 1e-12), 0, 1)
    distance2 = ((points - foot[..., None] * along) ** 2).sum(axis=-1)
    window[distance2 <= radius**2] = True
