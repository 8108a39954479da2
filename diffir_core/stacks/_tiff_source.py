"""TIFF and OME-TIFF: read plane by plane, and write whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks._tiff_opening import open_whole
from diffir_core.stacks.axes import PlaneIndex, check_axes
from diffir_core.stacks.metadata import StackMetadata, unit_name

_UNKNOWN_AXES = "QI"


class TiffSource:
    """A TIFF, OME-TIFF or ImageJ file, of which one plane at a time is in memory."""

    def __init__(self, path: Path, axes: str | None) -> None:
        self._file = open_whole(path)
        self._series = self._file.series[0]
        self._levels: tuple[Any, ...] | None = None
        self.shape: tuple[int, ...] = tuple(self._series.shape)
        self.dtype = np.dtype(self._series.dtype).newbyteorder("=")
        try:
            _check_one_image(self._file, path.name)
            axes = axes or _known_axes(self._series.axes, path.name)
            self.layout = check_axes(axes, self.shape)
            self.metadata = _metadata(self._file, self.layout.axes, path.name)
        except InputError:
            self.close()
            raise

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        try:
            return plane.take(self.levels[0])
        except (ValueError, OSError, tifffile.TiffFileError) as error:
            raise InputError(
                f"Cannot read the plane at {dict(plane.position)}: {error}; the file "
                "may be truncated or use a compression that needs 'imagecodecs'."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def levels(self) -> tuple[Any, ...]:
        """Lazy arrays of all resolution levels, the finest first."""
        if self._levels is None:
            import zarr

            self._levels = tuple(
                zarr.open(self._series.aszarr(level=level), mode="r")
                for level in range(len(self._series.levels))
            )
        return self._levels


def _check_one_image(file: tifffile.TiffFile, name: str) -> None:
    """Refuse files of several images, rather than drop all but the first."""
    if len(file.series) > 1:
        shapes = ", ".join(str(series.shape) for series in file.series[:4])
        raise InputError(
            f"{name} holds {len(file.series)} images ({shapes}); save the one to "
            "restore as a file of its own."
        )


def _known_axes(axes: str, name: str) -> str:
    if any(axis in _UNKNOWN_AXES for axis in axes):
        hint = axes.replace("Q", "Z").replace("I", "Z")
        raise InputError(
            f"{name} does not say what its axes '{axes}' are; pass them as "
            f"axes, such as {hint} (--axes {hint} on the command line)."
        )
    return axes


def _metadata(file: tifffile.TiffFile, axes: str, name: str) -> StackMetadata:
    if file.is_ome and file.ome_metadata:
        return _ome_metadata(file.ome_metadata, axes, name)
    sizes, units = _resolution(file)
    if file.is_imagej and file.imagej_metadata:
        sizes, units = _imagej(file.imagej_metadata, sizes, units)
        labels = file.imagej_metadata.get("Labels")
        channels = _count(file.imagej_metadata, "channels")
        names = tuple(labels) if labels and len(labels) == channels else ()
        colors = _lut_colors(file.imagej_metadata.get("LUTs"), channels)
        return StackMetadata(
            axes,
            _only(sizes, axes),
            _only(units, axes),
            names,
            name,
            channel_colors=colors,
        )
    return StackMetadata(axes, _only(sizes, axes), _only(units, axes), (), name)


def _only(values: dict[str, Any], axes: str) -> dict[str, Any]:
    return {axis: value for axis, value in values.items() if axis in axes}


def _count(metadata: dict[str, Any], key: str) -> int:
    return int(metadata.get(key, 1))


def _resolution(file: tifffile.TiffFile) -> tuple[dict[str, float], dict[str, str]]:
    """Give Y and X sizes from the resolution tags where these carry a unit."""
    tags = file.pages.first.tags
    unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    sizes = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        if tag in tags and (unit == 3 or file.is_imagej):
            numerator, denominator = tags[tag].value
            if numerator and denominator / numerator != 1.0:
                sizes[axis] = denominator / numerator
    return sizes, dict.fromkeys(sizes, "centimeter") if unit == 3 else {}


def _imagej(
    metadata: dict[str, Any], sizes: dict[str, float], units: dict[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Complete with ImageJ's calibration; its resolution tags are in its own unit."""
    name = unit_name(str(metadata.get("unit", "")))
    sizes = dict(sizes)
    if "spacing" in metadata:
        sizes["Z"] = float(metadata["spacing"])
    units = dict.fromkeys(sizes, name) if name else {}
    if "finterval" in metadata and float(metadata["finterval"]) > 0:
        sizes["T"] = float(metadata["finterval"])
        units["T"] = "second"
    return sizes, units


def _ome_metadata(xml: str, axes: str, name: str) -> StackMetadata:
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
            unit = unit_name(pixels.attrib.get(f"{key}Unit", default))
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


def _lut_colors(tables: Any, channels: int) -> tuple[str, ...]:
    """Give the brightest colour of ImageJ's tables, (3, 256) each."""
    if not isinstance(tables, list) or len(tables) != channels:
        return ()
    last = [np.asarray(table)[:, -1] for table in tables]
    return tuple("".join(f"{int(v):02X}" for v in color) for color in last)
