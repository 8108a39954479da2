"""What OME-XML says of the pixels of a TIFF."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from diffir_core.errors import InputError
from diffir_core.stacks._ome_details import SIZES, acquisition_date, channel_details
from diffir_core.stacks._ome_planes import plane_times, stage_positions
from diffir_core.stacks.metadata import (
    StackMetadata,
    axis_unit,
    known_colors,
    known_names,
    known_sizes,
)

_COMPANION = re.compile(r'<(?:\w+:)?BinaryOnly[^>]*\bMetadataFile="([^"]*)"')


def whole_xml(xml: str, folder: Path) -> str | bytes:
    """Give the XML, or that of the companion file which it refers to, if that is there.

    Without it, a file says nothing of its pixels.
    """
    found = _COMPANION.search(xml)
    companion = folder / Path(unescape(found[1])).name if found else None
    # Bytes, as the file says itself how it is encoded.
    return companion.read_bytes() if companion and companion.is_file() else xml


def ome_metadata(
    xml: str | bytes, axes: str, shape: tuple[int, ...], name: str
) -> StackMetadata:
    """Give the metadata of the first image that OME-XML describes."""
    root = _parsed(xml, name)
    namespace = root.tag.removesuffix("OME")  # Old files have none.
    image = root.find(f"{namespace}Image")
    pixels = image.find(f"{namespace}Pixels") if image is not None else None
    if image is None or pixels is None:
        return StackMetadata(axes, name=name)
    sizes, units = _sizes(pixels, axes)
    planes = pixels.findall(f"{namespace}Plane")
    outer = {a: n for a, n in zip(axes, shape, strict=True) if a in "TCZ"}
    first, others = stage_positions(planes, outer, sizes, units)
    channels = _channels(pixels, axes, namespace)
    whole = _is_whole(pixels, axes, outer)
    return StackMetadata(
        axes,
        sizes,
        units,
        known_names([c.attrib.get("Name", "") for c in channels]),
        image.attrib.get("Name", name),
        first,
        known_colors([_rgb(c.attrib.get("Color", "")) for c in channels]),
        others if whole else {},
        plane_times(planes, outer) if whole else {},
        acquisition_date(image, namespace),
        channel_details(channels),
    )


def _parsed(xml: str | bytes, name: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise InputError(
            f"The OME-XML of {name} is not well-formed ({error}); save the image anew "
            "by the program it is from, or by Fiji."
        ) from error


def _channels(
    pixels: ElementTree.Element, axes: str, namespace: str
) -> list[ElementTree.Element]:
    """Give the channels, unless they are none of the image's: colours, or others."""
    channels = pixels.findall(f"{namespace}Channel")
    described = "C" in axes or ("S" not in axes and len(channels) == 1)
    return channels if described else []


def _is_whole(pixels: Any, axes: str, outer: Mapping[str, int]) -> bool:
    """Tell whether the axes are those of the XML, none renamed and none of its own."""
    return set(axes) <= set("TCZYXS") and all(
        pixels.get(f"Size{axis}") == str(size) for axis, size in outer.items()
    )


def _sizes(pixels: Any, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Give sizes and units by axis, those of a single plane, too."""
    found = {
        axis: pixels.attrib.get(key)
        for axis, (key, _) in SIZES.items()
        if axis in axes or axis in "TZ"
    }
    sizes, units = known_sizes(found), {}
    for axis in sizes:
        key, default = SIZES[axis]
        unit = axis_unit(axis, pixels.attrib.get(f"{key}Unit", default))
        if unit:
            units[axis] = unit
    return sizes, units


def _rgb(color: str) -> str:
    """Give RRGGBB of OME's signed RGBA number; nothing for what is none."""
    try:
        return f"{(int(color) >> 8) & 0xFFFFFF:06X}"
    except ValueError:
        return ""
