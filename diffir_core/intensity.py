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
from diffir_core._converting import converted
from diffir_core.errors import InputError

_WIDEST = 1e30
"""Of a range of values: no camera's, but that of float32 marking missing pixels."""
_SCALE_OF_CONSTANT = 1e-6
"""Of the value of a constant channel: what a network invents on it is below its last
digits then, and values that no sample met are no astronomic numbers."""

_BRIGHT_MEDIAN = 0.5
"""Of the range. Negatives gained 0.8 to 1.3 dB on average where the median was above,
whatever the image was, and lost where it was below 0.3 (`benchmarks/negatives.py`)."""


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

    A negative scale makes the brightest values 0: the network sees the negative.

    One mapping serves a whole stack, so that its planes stay comparable: normalising
    plane by plane would make them flicker.
    """

    offset: float
    """Value that becomes 0: the camera offset and background stay in the result."""
    scale: float
    """Difference of values that becomes 1; never 0."""
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


def fit_mapping(
    values: NDArray[Any],
    options: IntensityOptions | None = None,
    negative: bool | None = False,
    lines: NDArray[Any] | None = None,
) -> IntensityMapping:
    """Fit the mapping to a sample of values, of any shape and real dtype.

    Constant values get a scale of 1 if they are integers, as what a network invents on
    nothing is rounded off then, and else a millionth of the value. NaN does not count,
    nor do values of pixels that software filled, if it is clear that there are such.

    Parameters
    ----------
    values
        The sample.
    options
        Which percentiles become 0 and 1.
    negative
        Whether the network is to see the negative; None: if the background is bright.
    lines
        Rows of the image, along the last axis, by which areas that were filled are told
        from single zeros, as of photons; None: the sample, if it has several axes.
    """
    options = options or IntensityOptions()
    wide = _numbers(values.astype(np.result_type(values, np.float32), copy=False))
    if not wide.size:
        return IntensityMapping(0.0, 1.0)
    if (blank_below := blank_threshold(wide, _rows(values, lines))) is not None:
        wide = wide[wide >= blank_below]
    if negative is None:
        negative = _has_bright_background(wide)
    zero, one = _ends(wide, options, negative)
    if not abs(one - zero) <= _WIDEST:
        raise InputError(
            f"The values range from {min(zero, one):g} to {max(zero, one):g}; give "
            "missing pixels, if that is what they are, a value near the others."
        )
    if one != zero:
        return IntensityMapping(zero, one - zero, blank_below)
    scale = 1.0 if values.dtype.kind in "iu" else _millionth(zero)
    return IntensityMapping(zero, scale)


def _rows(values: NDArray[Any], lines: NDArray[Any] | None) -> NDArray[Any]:
    """Give what lies side by side in the image: none of one row of samples."""
    if lines is not None:
        return lines
    return values if values.ndim > 1 else values[:0]


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    missing = np.isnan(values)
    return values[~missing] if missing.any() else values


def _ends(
    values: NDArray[Any], options: IntensityOptions, negative: bool
) -> tuple[float, float]:
    """Give the values that become 0 and 1."""
    percentiles = np.array([options.low_percentile, options.high_percentile])
    if negative:
        percentiles = 100 - percentiles
    zero, one = (float(end) for end in np.percentile(values, percentiles))
    if one == zero:  # Nearly all values are equal: fall back to the full range.
        low, high = float(values.min()), float(values.max())
        return (high, low) if negative else (low, high)
    return zero, one


def _has_bright_background(values: NDArray[Any]) -> bool:
    """Tell transmitted light and inverted images from fluorescence."""
    low, median, high = np.percentile(values, (1.0, 50.0, 99.8)).astype(float)
    return bool(median - low > _BRIGHT_MEDIAN * (high - low))


def _millionth(value: float) -> float:
    """Give a millionth of a value; of 0, and of what has none, a millionth of 1."""
    return _SCALE_OF_CONSTANT * abs(value) or _SCALE_OF_CONSTANT
