"""Where the stage was at each plane of an OME-TIFF, and when that was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks._unit_table import metres, seconds
from diffir_core.stacks.metadata import number, unit_name

_AGREEMENT = 1e-3
"""Of a step: what rounding may make of it."""


def stage_positions(
    planes: Sequence[Any],
    outer: Mapping[str, int],
    sizes: Mapping[str, float],
    units: Mapping[str, str],
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """Give where the first plane is, and all planes, where that does not follow.

    Parameters
    ----------
    planes
        The `Plane` elements of OME-XML, in any order.
    outer
        Sizes of the axes T, C, Z that the stack has, in its order.
    sizes, units
        Of pixels; positions are given in the same units, as far as both are known.

    Returns
    -------
    first
        By X, Y, Z, where a stack that begins there and goes up by the pixel size in Z
        has each plane where the file says, or where the file says one place for all.
    others
        By X, Y, Z, the position of each plane in the order of `outer`, where they are
        not those: of a stage that moves, or goes down.
    """
    first, others = {}, {}
    for axis in "ZYX":
        if axis not in units:
            continue
        known = _by_plane(planes, outer, partial(_in_unit, axis=axis, unit=units[axis]))
        origin = known.flat[0]
        if np.isnan(origin):
            continue
        step = sizes.get("Z", 0.0) if axis == "Z" else 0.0
        follow = _follow(known, step, list(outer))
        if np.isnan(known).any() or follow or (known == origin).all():
            first[axis] = float(origin)
        if not np.isnan(known).any() and not follow:
            others[axis] = tuple(float(value) for value in known.ravel())
    return first, others


def plane_times(
    planes: Sequence[Any], outer: Mapping[str, int]
) -> dict[str, tuple[float, ...]]:
    """Give `DeltaT` and `ExposureTime` of the planes, in seconds, if all have them."""
    found = {}
    for key in ("DeltaT", "ExposureTime"):
        known = _by_plane(planes, outer, partial(_in_seconds, key=key))
        if not np.isnan(known).any():
            found[key] = tuple(float(value) for value in known.ravel())
    return found


def _by_plane(
    planes: Sequence[Any], outer: Mapping[str, int], value_of: Callable[[Any], float]
) -> NDArray[np.float64]:
    """Give values by plane, in the order of `outer`; NaN where none is known."""
    found = np.full(tuple(outer.values()), np.nan)
    for plane in planes:
        place = {a: number(plane.get(f"The{a}", 0)) for a in "TCZ"}
        if any(place[a] != 0 for a in place if a not in outer):
            continue
        index = [place[a] for a in outer]
        if all(n in range(size) for n, size in zip(index, found.shape, strict=True)):
            found[tuple(int(n or 0) for n in index)] = value_of(plane)
    return found


def _in_seconds(plane: Any, key: str) -> float:
    """Give a time; NaN for what is unknown or no time."""
    value = number(plane.get(key))
    factor = seconds(unit_name(plane.get(f"{key}Unit", "s")) or "")
    return np.nan if value is None or not factor else value * factor


def _in_unit(plane: Any, axis: str, unit: str) -> float:
    """Give a position in a unit; NaN for what is unknown or no length."""
    value = number(plane.get(f"Position{axis}"))
    given = unit_name(plane.get(f"Position{axis}Unit", ""))
    if value is None or given is None:
        return np.nan
    if given == unit:
        return value
    length, own = metres(given), metres(unit)
    return value * length / own if length and own else np.nan


def _follow(known: NDArray[np.float64], step: float, outer: list[str]) -> bool:
    """Tell whether planes are where origin and step have them."""
    expected = np.full(known.shape, known.flat[0])
    if step and "Z" in outer:
        along = [1] * known.ndim
        along[outer.index("Z")] = -1
        expected = expected + step * np.arange(known.shape[outer.index("Z")]).reshape(
            along
        )
    tolerance = _AGREEMENT * (step or abs(known.flat[0]) or 1.0)
    return bool(np.abs(known - expected).max() <= tolerance)
