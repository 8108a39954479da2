"""Invertible mapping between the values of an image and the units of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diffir_core._base import FrozenConfig


class IntensityOptions(FrozenConfig):
    """Which percentiles of the values become 0 and 1 in model units.

    The defaults are those the shipped models were trained with. Percentiles, unlike
    minimum and maximum, do not follow a few hot or dead pixels.
    """

    low_percentile: float = Field(1.0, ge=0, le=100)
    high_percentile: float = Field(99.8, ge=0, le=100)


@dataclass(frozen=True, slots=True)
class IntensityMapping:
    """``model = (value - offset) / scale``: linear, hence exactly invertible.

    One mapping serves a whole stack, so that its planes stay comparable: normalising
    plane by plane would make them flicker.
    """

    offset: float
    """Value that becomes 0: the camera offset and background stay in the result."""
    scale: float
    """Positive difference of values that becomes 1."""

    def to_model(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Map values of any real dtype to float32 model units; nothing is clipped."""
        shifted = values.astype(np.float64) - self.offset
        return (shifted / self.scale).astype(np.float32)

    def from_model(
        self, restored: NDArray[np.float32], dtype: np.dtype[Any]
    ) -> tuple[NDArray[Any], int]:
        """Map back to `dtype`; also give how many values its range had to clip."""
        values = restored.astype(np.float64) * self.scale + self.offset
        if dtype.kind == "f":
            return values.astype(dtype), 0
        info = np.iinfo(dtype)
        rounded = np.rint(values)
        clipped = int(np.count_nonzero((rounded < info.min) | (rounded > info.max)))
        return np.clip(rounded, info.min, info.max).astype(dtype), clipped


def fit_mapping(
    values: NDArray[Any], options: IntensityOptions | None = None
) -> IntensityMapping:
    """Fit the mapping to a sample of finite values, of any shape and real dtype.

    Constant values get a scale of 1 of their own units.
    """
    options = options or IntensityOptions()
    percentiles = (options.low_percentile, options.high_percentile)
    low, high = np.percentile(values, percentiles).astype(float)
    if high <= low:  # Nearly all values are equal: fall back to the full range.
        low, high = float(values.min()), float(values.max())
    return IntensityMapping(offset=low, scale=high - low if high > low else 1.0)
