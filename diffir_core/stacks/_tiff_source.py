"""TIFF and OME-TIFF: read plane by plane, and write whole."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import PlaneIndex, check_axes
from diffir_core.stacks.metadata import StackMetadata, unit_name, unit_symbol

_UNKNOWN_AXES = "QI"
_OME_ORDER = "TZCYXS"


class TiffSource:
    """A TIFF, OME-TIFF or ImageJ file, of which one plane at a time is in memory."""

    def __init__(self, path: Path, axes: str | None) -> None:
        self._file = _open(path)
        self._series = self._file.series[0]
        self._view: Any = None
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
            return plane.take(self._lazy())
        except (ValueError, OSError, tifffile.TiffFileError) as error:
            raise InputError(
                f"Cannot read the plane at {dict(plane.position)}: {error}; the file "
                "may be truncated or use a compression that needs 'imagecodecs'."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lazy(self) -> Any:
        if self._view is None:
            import zarr

            store = self._series.aszarr(level=0)
            self._view = zarr.open(store, mode="r")
        return self._view


def _open(path: Path) -> tifffile.TiffFile:
    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError, ValueError, struct.error) as error:
        raise InputError(
            f"{path.name} is not a readable TIFF ({error}); it may be truncated."
        ) from error
    try:
        whole = bool(file.series) and _is_whole(file, path.stat().st_size)
    except Exception:  # tifffile raises errors of many kinds on damaged files.
        whole = False
    if not whole:
        file.close()
        raise InputError(
            f"{path.name} is truncated or damaged: planes or tags are missing; copy it "
            "again."
        )
    return file


def _is_whole(file: tifffile.TiffFile, size_bytes: int) -> bool:
    """Tell whether the last plane and all tags of the first page are there.

    tifffile leaves out tags whose values lie beyond the end, and goes on.
    """
    last = file.pages[-1]
    if last.dataoffsets[-1] + last.databytecounts[-1] > size_bytes:
        return False
    handle, first = file.filehandle, file.pages.first
    handle.seek(first.offset)
    (count,) = struct.unpack(file.tiff.tagnoformat, handle.read(file.tiff.tagnosize))
    return len(first.tags) >= int(count)


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
            f"{name} does not say what its axes '{axes}' are; pass them, such as "
            f"--axes {hint}."
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
        return StackMetadata(axes, _only(sizes, axes), _only(units, axes), names, name)
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
    channels = [c.attrib.get("Name", "") for c in pixels.findall(f"{namespace}Channel")]
    names = tuple(channels) if "C" in axes and all(channels) else ()
    return StackMetadata(axes, sizes, units, names, image.attrib.get("Name", name))


class TiffSink:
    """An OME-TIFF, staged plane by plane on disk and written when all are there."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        metadata: StackMetadata,
    ) -> None:
        self._path, self._metadata = path, metadata
        self._staged = path.with_name(f".{path.name}.staged")
        self._partial = path.with_name(f".{path.name}.part")
        self._array = np.lib.format.open_memmap(
            self._staged, mode="w+", dtype=dtype, shape=shape
        )

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> None:
        """Write one plane, (channels, Y, X)."""
        plane.put(self._array, values)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Write the file and move it into place; it is whole or it is not there."""
        axes = self._metadata.axes
        order = sorted(axes, key=lambda axis: _OME_ORDER.find(axis))
        if set(axes) <= set(_OME_ORDER):
            data = self._array.transpose([axes.index(axis) for axis in order])
        else:
            data, order = self._array, list(axes)
        tifffile.imwrite(
            self._partial,
            data,
            ome=True,
            bigtiff=self._array.nbytes > 3_500_000_000,
            photometric="rgb" if "S" in order and data.shape[-1] in (3, 4) else None,
            metadata=self._ome("".join(order), provenance),
        )
        os.replace(self._partial, self._path)
        self.abort()

    def abort(self) -> None:
        """Remove what was staged."""
        del self._array
        for path in (self._staged, self._partial):
            path.unlink(missing_ok=True)

    def _ome(self, axes: str, provenance: dict[str, Any]) -> dict[str, Any]:
        metadata = self._metadata
        described: dict[str, Any] = {
            "axes": axes,
            "Name": metadata.name,
            "Description": json.dumps({"diffir": provenance}),
        }
        for axis in "XYZ":
            if axis in metadata.pixel_size:
                described[f"PhysicalSize{axis}"] = metadata.pixel_size[axis]
                unit = unit_symbol(metadata.units.get(axis, "pixel"))
                described[f"PhysicalSize{axis}Unit"] = unit
        if "T" in metadata.pixel_size:
            described["TimeIncrement"] = metadata.pixel_size["T"]
            unit = unit_symbol(metadata.units.get("T", "second"))
            described["TimeIncrementUnit"] = unit
        if metadata.channel_names:
            described["Channel"] = {"Name": list(metadata.channel_names)}
        return described
