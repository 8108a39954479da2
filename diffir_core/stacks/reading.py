"""What a restoration reads, and what it refuses: models, types, values, regions."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.restorer import Restorer
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.source import StackSource

_KINDS = "uif"
_EXACT_INTEGERS = 2**53
_LEAST_STEPS = 2**16


def check_request(model: Any, options: Any) -> None:
    """Refuse a name in place of a model, and a dict in place of options."""
    if not isinstance(model, Model):
        raise InputError(
            f"model is {model!r:.80}; give a model, as diffir_core.load_model makes it."
        )
    if not isinstance(options, RestoreOptions | None):
        raise InputError(
            f"options is {options!r:.80}; give RestoreOptions, as "
            "RestoreOptions.parse makes them of a dict."
        )


def restorer_of_images(
    model: Model, options: RestoreOptions, threads: int | None = None
) -> Restorer:
    """Give a restorer, or say what is no model or no options."""
    check_request(model, options)
    return Restorer(model, options, threads)


def region_of(values: Any) -> tuple[int, int, int, int]:
    """Take four whole numbers of any kind, in a tuple, a list or an array."""
    try:
        top, bottom, left, right = (index(value) for value in values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Region {values} is not four whole numbers; give "
            "(first row, row after the last, first column, column after the last)."
        ) from error
    return top, bottom, left, right


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse types that are neither integers nor floats."""
    if dtype.kind not in _KINDS:
        raise InputError(
            f"Images of type {dtype} cannot be restored; use integers or floats."
        )


def read_plane(source: StackSource, plane: PlaneIndex) -> NDArray[Any]:
    """Read a plane, (channels, Y, X), refusing infinite values; NaN is missing."""
    values = source.read(plane)
    if values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
        where = ", ".join(f"{axis}={i}" for axis, i in plane.position)
        raise InputError(
            f"The image has {int(infinite.sum())} infinite values"
            f"{f' at {where}' if where else ''}; replace them with finite ones, or "
            "with NaN where nothing was recorded."
        )
    if values.dtype.kind in "ui" and values.dtype.itemsize == 8:
        _check_digits(values)
    return values


def _check_digits(values: NDArray[Any]) -> None:
    """Refuse integers whose differences are lost in float64, which maps intensities."""
    low, high = int(values.min()), int(values.max())
    rounding = max(-low, high) / _EXACT_INTEGERS
    if rounding > 1 and high - low < _LEAST_STEPS * rounding:
        raise InputError(
            f"The values lie between {low} and {high}, and beyond 2^53 such small "
            "differences would be lost; take off what they have in common."
        )


def inside(
    values: NDArray[Any], region: tuple[int, int, int, int] | None
) -> NDArray[Any]:
    """Give the region of a plane (channels, Y, X), or all of it."""
    if region is None:
        return values
    top, bottom, left, right = region
    height, width = values.shape[1:]
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(
            f"Region {region} is not inside the plane of {height} x {width}; give "
            "(first row, row after the last, first column, column after the last)."
        )
    return values[:, top:bottom, left:right]
