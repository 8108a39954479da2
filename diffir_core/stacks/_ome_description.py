"""What an OME-TIFF says of itself, in the words of tifffile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffir_core.stacks._ome_details import SIZES
from diffir_core.stacks._tiff_layout import TiffLayout
from diffir_core.stacks.metadata import ImageSpec, StackMetadata, axis_symbol, legible


def photometric(layout: TiffLayout, metadata: StackMetadata) -> str:
    """Say what the values are, in the words of tifffile."""
    if layout.is_rgb:
        return "rgb"
    return "miniswhite" if metadata.white_is_zero else "minisblack"


def ome_description(
    layout: TiffLayout, spec: ImageSpec, made: dict[str, Any]
) -> dict[str, Any]:
    """Describe the image, and what it was made by, in the words of tifffile."""
    metadata, axes = spec.metadata, layout.axes
    # Non-ASCII is escaped, and so are control characters.
    text = json.dumps({"diffir": made, "diffir_job": spec.job})
    described: dict[str, Any] = {"axes": axes, "Name": legible(metadata.name)}
    described["Description"] = text
    if metadata.acquired:
        described["AcquisitionDate"] = legible(metadata.acquired)
    described |= _sizes(metadata)
    if channel := _channels(spec):
        described["Channel"] = channel
    if planes := _planes(layout, spec):
        described["Plane"] = planes
    return described


def _planes(layout: TiffLayout, spec: ImageSpec) -> dict[str, list[Any]]:
    """Give each page its position, if that is known and not the origin, and time."""
    metadata = spec.metadata
    pages: dict[str, list[Any]] = {}
    for key, times in metadata.plane_times.items():
        pages[key] = _by_page(times, layout, spec)
        pages[f"{key}Unit"] = ["s"] * layout.page_count
    for axis in "XYZ":
        symbol = axis_symbol(axis, metadata.units.get(axis, ""))
        if values := _of_each_page(axis, layout, spec):
            pages[f"Position{axis}"] = values
            pages[f"Position{axis}Unit"] = [symbol or "pixel"] * layout.page_count
    return pages


def _of_each_page(axis: str, layout: TiffLayout, spec: ImageSpec) -> list[Any]:
    """Give positions by page: as stored, or from where the first one is."""
    metadata = spec.metadata
    if stored := metadata.stage_positions.get(axis):
        return _by_page(stored, layout, spec)
    first = metadata.translate.get(axis)
    if not first:
        return []
    step = metadata.pixel_size.get("Z", 0.0) if axis == "Z" else 0.0
    return [first + step * n for n in layout.indices("Z")]


def _by_page(
    values: Sequence[float], layout: TiffLayout, spec: ImageSpec
) -> list[float]:
    """Give values by page that are known by plane of the source."""
    axes = spec.metadata.axes
    outer = [n for n, letter in enumerate(axes) if letter not in "YXS"]
    by_plane = np.reshape(values, [spec.shape[n] for n in outer])
    index = tuple(layout.indices(axes[n]) for n in outer)
    return [float(value) for value in np.atleast_1d(by_plane[index])]


def _channels(spec: ImageSpec) -> dict[str, Any]:
    """Describe as many channels as there are, if anything is known of them."""
    metadata = spec.metadata
    if "S" in metadata.axes and "C" not in metadata.axes:
        return {}
    count = dict(zip(metadata.axes, spec.shape, strict=True)).get("C", 1)
    described: dict[str, Any] = {
        key: [legible(value) for value in values]
        for key, values in metadata.channel_details.items()
        if len(values) == count
    }
    if names := metadata.channel_names[:count]:
        described["Name"] = [*names, *[""] * (count - len(names))]
    if colors := metadata.channel_colors[:count]:
        whole = [*colors, *["FFFFFF"] * (count - len(colors))]
        described["Color"] = [_signed(color) for color in whole]
    return described


def _sizes(metadata: StackMetadata) -> dict[str, float | str]:
    sizes: dict[str, float | str] = {}
    for axis, (key, _) in SIZES.items():
        symbol = axis_symbol(axis, metadata.units.get(axis, ""))
        # A time without a unit would be read as seconds.
        if axis in metadata.pixel_size and (symbol or axis != "T"):
            sizes[key] = metadata.pixel_size[axis]
            sizes[f"{key}Unit"] = symbol or "pixel"
    return sizes


def _signed(color: str) -> int:
    """Give RRGGBB as the signed RGBA number of OME."""
    value = int(color + "FF", 16)
    return value - (1 << 32) if value >= 1 << 31 else value
