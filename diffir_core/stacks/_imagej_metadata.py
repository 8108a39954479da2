"""What ImageJ's description says of the pixels of a TIFF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.metadata import StackMetadata, axis_unit, known_names, number

_UNIT_KEYS = {"X": "unit", "Y": "yunit", "Z": "zunit"}


def imagej_metadata(
    described: Mapping[str, Any], sizes: Mapping[str, float], axes: str, name: str
) -> StackMetadata:
    """Give the metadata of a stack that ImageJ wrote.

    `sizes` are those of Y and X by the resolution tags, in ImageJ's unit.
    """
    units = {axis: unit for axis in axes if (unit := _unit(described, axis))}
    known = {
        axis: size
        for axis, size in {**sizes, **_outer_sizes(described)}.items()
        # A resolution of 1 that has no unit is that of an image without calibration.
        if axis in axes and (size != 1 or axis in units or axis in "ZT")
    }
    return StackMetadata(
        axes,
        known,
        {axis: unit for axis, unit in units.items() if axis in known},
        _names(described),
        name,
        _positions(described, known, axes),
        _colors(described),
    )


def _unit(described: Mapping[str, Any], axis: str) -> str | None:
    """Give the unit of an axis; Y and Z may have one of their own."""
    if axis == "T":
        return axis_unit(axis, str(described.get("tunit", "sec")))
    if axis not in _UNIT_KEYS:
        return None
    common = described.get("unit", "")
    return axis_unit(axis, str(described.get(_UNIT_KEYS[axis], common)))


def _outer_sizes(described: Mapping[str, Any]) -> dict[str, float]:
    # ImageJ writes a negative spacing for stacks that go down.
    sizes = {
        "Z": abs(_number(described, "spacing")),
        "T": _number(described, "finterval"),
    }
    return {axis: size for axis, size in sizes.items() if size > 0}


def _positions(
    described: Mapping[str, Any], sizes: Mapping[str, float], axes: str
) -> dict[str, float]:
    """Give where the first pixel is; ImageJ says at which pixel the origin is."""
    origins = {axis: _number(described, f"{axis.lower()}origin") for axis in "ZYX"}
    return {
        axis: -origin * sizes.get(axis, 1.0)
        for axis, origin in origins.items()
        if axis in axes and origin
    }


def _number(described: Mapping[str, Any], key: str) -> float:
    """Give a number; 0 for what is missing or none."""
    return number(described.get(key)) or 0.0


def _channel_count(described: Mapping[str, Any]) -> int:
    return int(described.get("channels", 1))


def _names(described: Mapping[str, Any]) -> tuple[str, ...]:
    labels = described.get("Labels") or []
    labels = [labels] if isinstance(labels, str) else labels
    if len(labels) != _channel_count(described):  # Those of planes.
        return ()
    return known_names(labels)


def _colors(described: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the brightest colour of ImageJ's tables, (3, 256) each."""
    tables = described.get("LUTs")
    # tifffile gives the table of a single channel as it is.
    tables = tables if isinstance(tables, list) else [tables]
    if tables[0] is None or len(tables) != _channel_count(described):
        return ()
    return tuple(_brightest(np.asarray(table)) for table in tables)


def _brightest(table: NDArray[Any]) -> str:
    """Give RRGGBB of the brightest entry: the first one, if a table is inverted."""
    entry = table[:, int(table.sum(axis=0, dtype=int).argmax())]
    return "".join(f"{int(value):02X}" for value in entry)
