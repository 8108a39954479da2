"""Parts of an image that nothing was recorded of, as software leaves them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    FractionRange,
    Image,
    Range,
)


class Blanked(DegradationBase):
    """Exposures with a part that is empty and even, up to a straight edge.

    So are the borders of images that were turned, registered, deskewed or stitched. In
    a chain it comes after a camera, and before `warped` where edges are interpolated.
    The targets are as empty there.
    """

    kind: Literal["blanked"] = "blanked"
    blanked_fraction: float = Field(0.5, ge=0, le=1)
    """How often there is such a part."""
    area: FractionRange = (0.05, 0.6)
    """Of the patch."""
    straight_fraction: float = Field(0.5, ge=0, le=1)
    """How often the edge lies along an axis."""
    value: Range = (-0.2, 0.0)
    """In model units: at the black level, or below, where cameras have an offset."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Empty a part of `noisy` and of the targets alike."""
        if generator.random() >= self.blanked_fraction:
            return pair
        angle = generator.uniform(0, 2 * np.pi)
        if generator.random() < self.straight_fraction:
            angle = np.pi / 2 * generator.integers(4)
        edge = np.quantile(_distance(pair.noisy, angle), generator.uniform(*self.area))
        value = np.float32(generator.uniform(*self.value))

        def blanked(image: Image) -> Image:
            return np.where(_distance(image, angle) < edge, value, image)

        return pair.changed(blanked)


def _distance(image: Image, angle: float) -> NDArray[np.float64]:
    """Give how far pixels lie in a direction, (y, x), in heights of the image."""
    height, width = image.shape[1:]
    y, x = np.ogrid[:height, :width]
    along_y, along_x = (y + 0.5) / height, (x + 0.5) / height
    return np.asarray(np.sin(angle) * along_y + np.cos(angle) * along_x)
