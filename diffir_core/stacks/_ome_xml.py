"""What OME-XML says of the pixels of a TIFF."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from diffir_core.stacks.metadata import StackMetadata, axis_unit, unit_name


def ome_metadata(xml: str, axes: str, name: str) -> StackMetadata:
    """Give the metadata of the first image that OME-XML describes."""
    root = ElementTree.fromstring(xml)
    namespace = root.tag.partition("}")[0] + "}"
    image = root.find(f"{namespace}Image")
    pixels = image.find(f"{namespace}Pixels") if image is not None else None
    if image is None or pixels is None:
        return StackMetadata(axes, name=name)
    sizes, units = {}, {}
    for axis, key, default in (
        ("X", "PhysicalSizeX", "µm"),
        ("Y", "PhysicalSizeY", "µm"),
        ("Z", "PhysicalSizeZ", "µm"),
        ("T", "TimeIncrement", "s"),
    ):
        if axis in axes and key in pixels.attrib:
            sizes[axis] = float(pixels.attrib[key])
            unit = axis_unit(axis, pixels.attrib.get(f"{key}Unit", default))
            if unit:
                units[axis] = unit
    channels = pixels.findall(f"{namespace}Channel") if "C" in axes else []
    names = tuple(c.attrib.get("Name", "") for c in channels)
    colors = tuple(_rgb(c.attrib["Color"]) for c in channels if "Color" in c.attrib)
    return StackMetadata(
        axes,
        sizes,
        units,
        names if all(names) else (),
        image.attrib.get("Name", name),
        _stage_position(pixels.find(f"{namespace}Plane"), axes, units),
        colors if len(colors) == len(channels) else (),
    )


def _stage_position(plane: Any, axes: str, units: dict[str, str]) -> dict[str, float]:
    """Give where the first plane is, as far as its units are those of the pixels."""
    found = {}
    for axis in "ZYX":
        value = plane.attrib.get(f"Position{axis}") if plane is not None else None
        unit = unit_name(plane.attrib.get(f"Position{axis}Unit", "")) if value else None
        if value and axis in axes and unit and unit == units.get(axis):
            found[axis] = float(value)
    return found


def _rgb(color: str) -> str:
    """Give RRGGBB of OME's signed RGBA number."""
    return f"{(int(color) >> 8) & 0xFFFFFF:06X}"
