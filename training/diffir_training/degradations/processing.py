"""What software does to an image after its exposure, and to its noise with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator
from scipy import ndimage

from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    NonNegativeRange,
    PositiveRange,
    ThreeWeights,
    log_uniform,
    pick,
)

_Change: TypeAlias = Callable[[Image], Image]

_SPLINE_ORDERS = (0, 1, 3)
"""Repeated pixels, linear and cubic interpolation."""
_MEDIAN_SIDE_PIXELS = 3


def _at_least_one(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] < 1:
        raise ValueError(f"enlarging starts at 1, not {bounds}")
    return bounds


class Processed(DegradationBase):
    """Exposures that were enlarged, smoothed or median-filtered.

    In a chain it comes after a camera. The targets are changed in the same way, as
    the mean of many such images would be (nearly, for medians of few photons): nothing
    is to be undone but the noise.
    """

    kind: Literal["processed"] = "processed"
    weights: ThreeWeights = (2.0, 1.0, 1.0)
    """How often each of these is done, relative to the others."""
    enlarged: Annotated[PositiveRange, AfterValidator(_at_least_one)] = (1.2, 2.5)
    """How many times; part of the patch then fills it. Drawn on a logarithmic scale."""
    interpolation_weights: ThreeWeights = (1.0, 1.0, 1.0)
    """Of repeated pixels, and of linear and cubic interpolation."""
    smoothing_pixels: NonNegativeRange = (0.3, 1.2)
    """Deviation of the Gaussian that smooths."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Change `noisy` and the targets alike."""
        change = self._draw_change(pair.noisy.shape[-1], generator)

        def changed(image: Image) -> Image:
            return np.asarray(change(image), dtype=np.float32)

        return pair.changed(changed)

    def _draw_change(self, side: int, generator: np.random.Generator) -> _Change:
        match pick(self.weights, generator):
            case 0:
                order = _SPLINE_ORDERS[pick(self.interpolation_weights, generator)]
                # Whole pixels of `noisy` are whole pixels of a larger target as well.
                kept = round(side / log_uniform(self.enlarged, generator))
                return partial(enlarge, factor=side / max(kept, 1), order=order)
            case 1:
                sigma = generator.uniform(*self.smoothing_pixels)
                return partial(ndimage.gaussian_filter, sigma=(0, sigma, sigma))
            case _:
                size = (1, _MEDIAN_SIDE_PIXELS, _MEDIAN_SIDE_PIXELS)
                return partial(ndimage.median_filter, size=size)


def enlarge(image: Image, factor: float, order: int) -> Image:
    """Enlarge the first corner of (c, y, x), so that it fills the same size.

    Pixels are areas, as in most software: borders stay borders. `order` is that of
    the spline: 0 repeats pixels, 1 is linear, 3 cubic.
    """
    y, x = image.shape[-2:]
    small_y, small_x = (max(round(side / factor), 1) for side in (y, x))
    zoom = (1.0, y / small_y, x / small_x)
    corner = image[:, :small_y, :small_x]
    return np.asarray(
        ndimage.zoom(corner, zoom, order=order, mode="nearest", grid_mode=True)
    )
