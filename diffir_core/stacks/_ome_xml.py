"""What OME-XML says of the pixels of a TIFF."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from diffir_core.errors import InputError
from diffir_core.stacks._unit_table import metres
from diffir_core.stacks.metadata import (
    StackMetadata,
    axis_unit,
    known_colors,
    known_names,
    known_sizes,
    number,
    unit_name,
)

_SIZES = {
    "X": ("PhysicalSizeX", "µm"),
    "Y": ("PhysicalSizeY", "µm"),
    "Z": ("PhysicalSizeZ", "µm"),
    "T": ("TimeIncrement", "s"),
}


def ome_metadata(xml: str, axes: str, name: str) -> StackMetadata:
    """Give the metadata of the first image that OME-XML describes."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise InputError(
            f"The OME-XML of {name} is not well-formed ({error}); save the image anew "
            "by the program it is from, or by Fiji."
        ) from error
    namespace = root.tag.partition("}")[0] + "}"
    image = root.find(f"{namespace}Image")
    pixels = image.find(f"{namespace}Pixels") if image is not None else None
    if image is None or pixels is None:
        return StackMetadata(axes, name=name)
    sizes, units = _sizes(pixels, axes)
    channels = pixels.findall(f"{namespace}Channel")
    if "C" not in axes and ("S" in axes or len(channels) != 1):
        channels = []
    return StackMetadata(
        axes,
        sizes,
        units,
        known_names([c.attrib.get("Name", "") for c in channels]),
        image.attrib.get("Name", name),
        _stage_position(pixels.find(f"{namespace}Plane"), axes, units),
        known_colors([_rgb(c.attrib.get("Color", "")) for c in channels]),
    )


def _sizes(pixels: Any, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Give sizes and units by axis."""
    found = {a: pixels.attrib.get(key) for a, (key, _) in _SIZES.items() if a in axes}
    sizes, units = known_sizes(found), {}
    for axis in sizes:
        key, default = _SIZES[axis]
        unit = axis_unit(axis, pixels.attrib.get(f"{key}Unit", default))
        if unit:
            units[axis] = unit
    return sizes, units


def _stage_position(plane: Any, axes: str, units: dict[str, str]) -> dict[str, float]:
    """Give where the first plane is, in the units of the pixels, as far as known."""
    found = {}
    for axis in "ZYX":
        if plane is None or axis not in axes or axis not in units:
            continue
        value = number(plane.attrib.get(f"Position{axis}"))
        unit = unit_name(plane.attrib.get(f"Position{axis}Unit", ""))
        if value is None or unit is None:
            continue
        if unit == units[axis]:
            found[axis] = value
        elif (length := metres(unit)) and (own := metres(units[axis])):
            found[axis] = value * length / own
    return found


def _rgb(color: str) -> str:
    """Give RRGGBB of OME's signed RGBA number; nothing for what is none."""
    try:
        return f"{(int(color) >> 8) & 0xFFFFFF:06X}"
    except ValueError:
        return ""
