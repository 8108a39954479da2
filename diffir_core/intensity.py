"""Invertible mapping between the values of an image and the units of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from diffir_core._base import FrozenConfig
from diffir_core._blank import blank_threshold
from diffir_core.errors import InputError

_WIDEST = 1e30
"""Of a range of values: no camera's, but that of float32 marking missing pixels."""
_SCALE_OF_CONSTANT = 1e-6
"""Of the value of a constant channel: what a network invents on it is below its last
digits then, and values that no sample met are no astronomic numbers."""


class IntensityOptions(FrozenConfig):
    """Which percentiles of the values become 0 and 1 in model units.

    The defaults are those the shipped models were trained with. Percentiles, unlike
    minimum and maximum, do not follow a few hot or dead pixels.
    """

    low_percentile: float = Field(1.0, ge=0, le=100)
    high_percentile: float = Field(99.8, ge=0, le=100)

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low_percentile >= self.high_percentile:
            raise ValueError(
                f"low_percentile {self.low_percentile:g} must be below "
                f"high_percentile {self.high_percentile:g}"
            )
        return self


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
    blank_below: float | None = None
    """Pixels below are empty: software filled them, and nothing was recorded there."""

    def to_dict(self) -> dict[str, float | None]:
        """Give plain values, exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the plain values of `to_dict`, and pass over others."""
        blank_below = values.get("blank_below")
        return cls(
            float(values["offset"]),
            float(values["scale"]),
            None if blank_below is None else float(blank_below),
        )

    def to_model(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Map values of any real dtype to float32 model units; nothing is clipped."""
        shifted = values.astype(np.float64, copy=False) - self.offset
        return (shifted / self.scale).astype(np.float32)

    def from_model(
        self,
        restored: NDArray[np.float32],
        dtype: np.dtype[Any],
        excess: NDArray[np.float64] | float = 0.0,
    ) -> tuple[NDArray[Any], int]:
        """Map back to `dtype`; also give how many values its range had to clip.

        An excess, in the units of the values, is added before.

        Raises
        ------
        InputError
            If a value is not finite: integers would hide that.
        """
        if not np.isfinite(restored).all():
            raise InputError(
                "The network gave values that are not finite; its weights are damaged "
                "or the IPR is too far from any image's. Nothing was written of them."
            )
        values = restored.astype(np.float64) * self.scale + self.offset
        return converted(values + excess, dtype)


def converted(values: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Give values as `dtype`, rounded and clipped, and how many its range clipped."""
    if values.dtype == dtype:
        return values, 0
    if dtype.kind == "f":
        return _as_float(values, dtype)
    info = np.iinfo(dtype)
    if values.dtype.kind == "f":
        values = np.rint(values)
    clipped = np.count_nonzero((values < info.min) | (values > info.max))
    low, high = (_holding(end, values.dtype) for end in (info.min, info.max))
    return np.clip(values, low, high).astype(dtype), int(clipped)


def _as_float(values: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Give values as floats; what is too large for them is their largest, not inf."""
    most = np.finfo(dtype).max
    if values.dtype.kind == "f" and np.finfo(values.dtype).max <= most:
        return values.astype(dtype), 0
    clipped = np.count_nonzero(np.abs(values) > most) if dtype.itemsize < 8 else 0
    if clipped:
        values = np.clip(values, -most, most)
    return values.astype(dtype), int(clipped)


def _holding(end: int, dtype: np.dtype[Any]) -> Any:
    """Give the end of an integer's range, or the nearest value inside that fits.

    The largest of 64 bits rounds up as float64, out of the range of the integers.
    """
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        return min(max(end, info.min), info.max)
    nearest = dtype.type(end)
    return np.nextafter(nearest, dtype.type(0)) if int(nearest) > end > 0 else nearest


def fit_mapping(
    values: NDArray[Any], options: IntensityOptions | None = None
) -> IntensityMapping:
    """Fit the mapping to a sample of finite values, of any shape and real dtype.

    Constant values get a scale of 1 if they are integers, as what a network invents on
    nothing is rounded off then, and else a millionth of the value. Values of pixels
    that software filled, if it is clear that there are such, do not count.
    """
    options = options or IntensityOptions()
    percentiles = (options.low_percentile, options.high_percentile)
    wide = values.astype(np.result_type(values, np.float32), copy=False)
    if (blank_below := blank_threshold(wide)) is not None:
        wide = wide[wide >= blank_below]
    low, high = np.percentile(wide, percentiles).astype(float)
    if high <= low:  # Nearly all values are equal: fall back to the full range.
        low, high = float(wide.min()), float(wide.max())
    if not high - low <= _WIDEST:
        raise InputError(
            f"The values range from {low:g} to {high:g}; give missing pixels, if that "
            "is what they are, a value near those of the others."
        )
    if high > low:
        return IntensityMapping(low, high - low, blank_below)
    return IntensityMapping(low, 1.0 if values.dtype.kind in "iu" else _millionth(low))


def _millionth(value: float) -> float:
    """Give a millionth of a value; of 0, and of what has none, a millionth of 1."""
    return _SCALE_OF_CONSTANT * abs(value) or _SCALE_OF_CONSTANT
