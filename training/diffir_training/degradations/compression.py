"""JPEG, as cameras, papers and the web store images."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydantic import AfterValidator

from diffir_core.errors import InputError
from diffir_training.degradations.base import (
    CountRange,
    DegradationBase,
    Degraded,
    Image,
    draw_count,
)


def _quality(bounds: tuple[int, int]) -> tuple[int, int]:
    if bounds[0] < 1 or bounds[1] > 100:
        raise ValueError(f"JPEG quality is between 1 and 100, not {bounds}")
    return bounds


QualityRange = Annotated[CountRange, AfterValidator(_quality)]
"""Lowest and highest JPEG quality, within 1 to 100."""


class JpegCompression(DegradationBase):
    """JPEG of a gray or RGB image in [0, 1]; values beyond are clipped."""

    kind: Literal["jpeg"] = "jpeg"
    quality: QualityRange = (30, 95)
    """Quality factor of libjpeg; both ends are possible."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Compress `noisy` and decompress it."""
        quality = draw_count(self.quality, generator)
        return replace(pair, noisy=jpeg(pair.noisy, quality))


def jpeg(image: Image, quality: int) -> Image:
    """Compress and decompress (1, y, x) or (3, y, x) in [0, 1]; gives 8-bit levels.

    Chroma is halved in height and width (4:2:0), as most software does.
    """
    if len(image) not in (1, 3):
        raise InputError(
            f"JPEG stores 1 or 3 channels, not {len(image)}; compress them one by one."
        )
    levels = to_8_bit(image)
    pixels = levels[0] if len(levels) == 1 else np.moveaxis(levels, 0, -1)
    file = BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(pixels)).save(
        file, format="JPEG", quality=quality, subsampling="4:2:0"
    )
    read = np.asarray(PillowImage.open(file), np.float32).reshape(*image.shape[1:], -1)
    return from_8_bit(np.ascontiguousarray(np.moveaxis(read, -1, 0)))


def to_8_bit(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Clip [0, 1] and round to the levels 0 to 255."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), dtype=np.uint8)


def from_8_bit(levels: NDArray[np.generic]) -> Image:
    """Give levels 0 to 255 as float32 in [0, 1]."""
    return np.asarray(levels, np.float32) / np.float32(255)
