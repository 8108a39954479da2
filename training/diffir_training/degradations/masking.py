"""Pairs for inpainting: the image without the missing pixels, and the mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from diffir_training.degradations.base import DegradationBase, Degraded, Image
from diffir_training.degradations.masks import (
    BoxRanges,
    LineRanges,
    Mask,
    SpotRanges,
    StrokeRanges,
    box_mask,
    dead_line_mask,
    spot_mask,
    stroke_mask,
)


class Inpainting(DegradationBase):
    """Irregular strokes or boxes of LaMa's mixed generator, for images of 256 pixels.

    `noisy` is image * (1 - mask) with the mask as its last channel, 1 where the image
    is missing: (4, y, x) for RGB. The last step of a chain, since it adds a channel.
    """

    kind: Literal["inpainting"] = "inpainting"
    strokes: StrokeRanges = StrokeRanges()
    boxes: BoxRanges = BoxRanges()
    stroke_probability: float = Field(0.5, ge=0, le=1)
    """How often strokes are drawn; boxes otherwise, never both."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Cut out `noisy`; the target is whole."""
        height, width = pair.noisy.shape[1:]
        if generator.random() < self.stroke_probability:
            mask = stroke_mask(height, width, generator, self.strokes)
        else:
            mask = box_mask(height, width, generator, self.boxes)
        return replace(pair, noisy=masked(pair.noisy, mask))


class SensorDefects(DegradationBase):
    """Dead lines and saturated spots of a microscope, known and to be filled in.

    `noisy` is image * (1 - mask) with the mask as its last channel: (2, y, x) for one
    channel. The last step of a chain, since it adds a channel.
    """

    kind: Literal["sensor_defects"] = "sensor_defects"
    lines: LineRanges = LineRanges()
    spots: SpotRanges = SpotRanges()

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Cut out `noisy`; the target is whole."""
        height, width = pair.noisy.shape[1:]
        mask = dead_line_mask(height, width, generator, self.lines)
        mask |= spot_mask(height, width, generator, self.spots)
        return replace(pair, noisy=masked(pair.noisy, mask))


def masked(image: Image, mask: Mask) -> Image:
    """Give (c, y, x) with 0 where the mask is True, then the mask as a channel."""
    known = np.where(mask, np.float32(0), image)
    return np.concatenate([known, mask[None].astype(np.float32)]).astype(np.float32)
