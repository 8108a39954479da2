"""What the attributes of an OME-Zarr say of its pixels.

Programs leave out, or write as null, what the format asks for, and more; what is
legible is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.stacks.metadata import (
    StackMetadata,
    known_colors,
    known_names,
    known_sizes,
    unit_name,
)

Attributes = Mapping[str, Any]


def ome_attributes(node: Any) -> Attributes:
    """Give those of OME of a group, which 0.5 has in a place of their own."""
    attributes = dict(node.attrs)
    found = attributes.get("ome", attributes)
    return found if isinstance(found, Mapping) else {}


def listed(holder: Any, key: str) -> list[Attributes]:
    """Give what is said of each in a list, which may be nothing; or no list."""
    values = holder.get(key) if isinstance(holder, Mapping) else None
    if not isinstance(values, list):
        return []
    return [value if isinstance(value, Mapping) else {} for value in values]


def image_metadata(
    ome: Attributes, image: Attributes, level: int, count: int, name: str
) -> StackMetadata | None:
    """Give the metadata of a level, or None if it does not name its `count` axes."""
    axes = _letters(image)
    if len(axes) != count:  # Before 0.3, axes had no names.
        return None
    units = {
        axis: unit_name(str(entry["unit"])) or str(entry["unit"])
        for axis, entry in zip(axes, _axes(image), strict=True)
        if entry.get("unit")
    }
    scale, shift = _placement(image, level, count)
    channels = listed(ome.get("omero"), "channels")
    return StackMetadata(
        axes="".join(axes),
        pixel_size=known_sizes(
            {
                axis: abs(value)  # Negative where an axis is mirrored.
                for axis, value in zip(axes, scale, strict=True)
                if axis != "C" and (value != 1.0 or axis in units)
            }
        ),
        units=units,
        channel_names=known_names([str(c.get("label") or "") for c in channels]),
        name=str(image.get("name") or name),
        translate={a: v for a, v in zip(axes, shift, strict=True) if v and isfinite(v)},
        channel_colors=known_colors([str(c.get("color") or "") for c in channels]),
    )


def _axes(image: Attributes) -> list[Attributes]:
    """Give what is said of each axis: from 0.4 on much, in 0.3 a name alone."""
    entries = image.get("axes")
    if not isinstance(entries, list):
        return []
    return [e if isinstance(e, Mapping) else {"name": e} for e in entries]


def _letters(image: Attributes) -> list[str]:
    """Give a letter for each axis; longer names go by their type and their order."""
    named = _axes(image)
    names = [str(entry.get("name") or "").upper() for entry in named]
    if all(len(name) == 1 for name in names):
        return names
    kinds = [str(entry.get("type", "space")) for entry in named]
    spaces = list("ZYX"[-kinds.count("space") :])
    given = {"channel": "C", "time": "T"}
    letters = [
        given[kind] if kind in given else spaces.pop(0) if spaces else name[:1]
        for kind, name in zip(kinds, names, strict=True)
    ]
    return letters if all(letters) else []


def _placement(
    image: Attributes, level: int, count: int
) -> tuple[list[float], list[float]]:
    """Give scale and translation: those of the level, then those of the whole image."""
    scale, shift = np.ones(count), np.zeros(count)
    key = "coordinateTransformations"
    for step in [*listed(listed(image, "datasets")[level], key), *listed(image, key)]:
        if (factors := _vector(step, "scale", count)) is not None:
            scale, shift = scale * factors, shift * factors
        if (offsets := _vector(step, "translation", count)) is not None:
            shift = shift + offsets
    return [float(v) for v in scale], [float(v) for v in shift]


def _vector(step: Attributes, kind: str, count: int) -> NDArray[np.float64] | None:
    """Give the numbers of a transform of this kind; they may also lie in an array."""
    try:
        values = np.asarray(step.get(kind), float)
    except (TypeError, ValueError):
        return None
    return values if step.get("type") == kind and values.shape == (count,) else None
