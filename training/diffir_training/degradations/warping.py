"""Images that were moved or turned between their pixels, and their noise with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from diffir_training.degradations.base import DegradationBase, Degraded, Image, Range

_LINEAR, _CUBIC = 1, 3


class Warped(DegradationBase):
    """Exposures that were registered, deskewed or turned, by interpolation.

    In a chain it comes after a camera. Noise is smoothed by it, where a pixel falls
    between others more than where it falls on one. The targets are moved alike.
    """

    kind: Literal["warped"] = "warped"
    turned_fraction: float = Field(0.5, ge=0, le=1)
    """How often the image is turned as well as moved."""
    degrees: Range = (-45.0, 45.0)
    """By how much it is turned then."""
    one_axis_fraction: float = Field(0.4, ge=0, le=1)
    """How often what is not turned moves along one axis alone, as in deskewing."""
    cubic_fraction: float = Field(0.3, ge=0, le=1)
    """How often interpolation is cubic instead of linear."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Move `noisy` and the targets alike."""
        motion = self._draw_motion(generator)
        height = pair.noisy.shape[1]

        def moved(image: Image) -> Image:
            return motion.move(image, pixel=image.shape[1] / height)

        return pair.changed(moved)

    def _draw_motion(self, generator: np.random.Generator) -> Motion:
        order = _CUBIC if generator.random() < self.cubic_fraction else _LINEAR
        shift = generator.uniform(-0.5, 0.5, 2)
        if generator.random() < self.turned_fraction:
            return Motion(generator.uniform(*self.degrees), shift, order)
        if generator.random() < self.one_axis_fraction:
            shift[generator.integers(2)] = 0
        return Motion(0.0, shift, order)


@dataclass(frozen=True, slots=True)
class Motion:
    """A turn about the middle and a shift."""

    degrees: float
    shift_pixels: NDArray[np.float64]
    """Along (y, x)."""
    order: int
    """Of the spline: 1 is linear, 3 cubic."""

    def move(self, image: Image, pixel: float = 1.0) -> Image:
        """Move (channels, y, x), mirrored at its borders; `pixel` pixels are one."""
        angle = np.deg2rad(self.degrees)
        turn = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        middle = (np.array(image.shape[1:]) - 1) / 2
        offset = middle - turn @ middle + pixel * self.shift_pixels
        planes = [
            ndimage.affine_transform(
                plane, turn, offset, order=self.order, mode="mirror"
            )
            for plane in image
        ]
        return np.stack(planes).astype(np.float32, copy=False)
