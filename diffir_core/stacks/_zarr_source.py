"""OME-Zarr: read 0.4 and 0.5, write 0.5."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import PlaneIndex, check_axes
from diffir_core.stacks.metadata import StackMetadata

_KINDS = {"T": "time", "C": "channel"}
_ORDER = "TCZYX"


class ZarrSource:
    """The full-resolution level of an OME-Zarr image, or a plain Zarr array."""

    def __init__(self, path: Path, axes: str | None) -> None:
        try:
            node: Any = zarr.open(str(path), mode="r")
            attributes: dict[str, Any] = dict(node.attrs)
        except Exception as error:
            raise InputError(
                f"{path.name} is not a readable Zarr ({error})."
            ) from error
        ome: Any = attributes.get("ome", attributes)
        multiscales: Any = ome.get("multiscales")
        if isinstance(node, zarr.Array):
            self._array: Any = node
            metadata = None
        elif multiscales:
            self._array = node[multiscales[0]["datasets"][0]["path"]]
            metadata = _read_metadata(attributes, multiscales[0], path.name)
        else:
            raise InputError(
                f"{path.name} is a Zarr group without an OME image; open one of its "
                "arrays."
            )
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        axes = axes or (metadata.axes if metadata else None)
        if axes is None:
            raise InputError(
                f"{path.name} does not say what its {len(self.shape)} axes are; pass "
                "them, such as --axes ZYX."
            )
        self.layout = check_axes(axes, self.shape)
        self.metadata = metadata or StackMetadata(self.layout.axes, name=path.name)

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        return plane.take(self._array)

    def close(self) -> None:
        """Do nothing: a Zarr store holds no open file."""


def _read_metadata(
    attributes: dict[str, Any], multiscale: dict[str, Any], name: str
) -> StackMetadata:
    axes = [axis["name"].upper() for axis in multiscale["axes"]]
    units = {
        axis["name"].upper(): axis["unit"]
        for axis in multiscale["axes"]
        if axis.get("unit")
    }
    transforms = multiscale["datasets"][0].get("coordinateTransformations", [])
    scale: list[float] = next(
        (t["scale"] for t in transforms if t["type"] == "scale"), []
    )
    shift: list[float] = next(
        (t["translation"] for t in transforms if t["type"] == "translation"), []
    )
    omero = attributes.get("ome", attributes).get("omero", {})
    channels = tuple(c.get("label") or "" for c in omero.get("channels", []))
    physical = [axis != "C" for axis in axes]
    return StackMetadata(
        axes="".join(axes),
        pixel_size={
            axis: float(value)
            for axis, value, keep in zip(axes, scale, physical, strict=False)
            if keep and (value != 1.0 or axis in units)
        },
        units=units,
        channel_names=channels if all(channels) else (),
        name=multiscale.get("name") or name,
        translate={
            axis: float(value)
            for axis, value in zip(axes, shift, strict=False)
            if value
        },
    )


class ZarrSink:
    """An OME-Zarr 0.5 image, filled in a hidden folder and moved into place whole."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        metadata: StackMetadata,
    ) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.part")
        shutil.rmtree(self._partial, ignore_errors=True)
        # RGB samples are channels in OME-Zarr.
        self._axes = (
            metadata.axes if "C" in metadata.axes else metadata.axes.replace("S", "C")
        )
        if set(self._axes) - set(_ORDER):
            raise InputError(
                f"OME-Zarr has the axes T, C, Z, Y and X only, not '{metadata.axes}'; "
                "write a TIFF instead."
            )
        self._order = sorted(self._axes, key=_ORDER.index)
        sizes = [shape[self._axes.index(axis)] for axis in self._order]
        self._array = _create(self._partial, self._order, sizes, dtype, metadata)

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> None:
        """Write one plane, (channels, Y, X)."""
        axes = plane.axes if "C" in plane.axes else plane.axes.replace("S", "C")
        selection = tuple(plane.selection[axes.index(axis)] for axis in self._order)
        target = PlaneIndex("".join(self._order), selection, plane.channel)
        target.put(self._array, values)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Add the provenance and move the folder into place."""
        group = zarr.open_group(str(self._partial), mode="r+")
        group.attrs["diffir"] = provenance
        if self._path.exists():
            shutil.rmtree(self._path)
        self._partial.rename(self._path)

    def abort(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._partial, ignore_errors=True)


def _create(
    folder: Path,
    axes: list[str],
    sizes: list[int],
    dtype: np.dtype[Any],
    metadata: StackMetadata,
) -> zarr.Array[Any]:
    group = zarr.open_group(str(folder), mode="w", zarr_format=3)
    group.attrs["ome"] = _ome_attributes(axes, metadata, dtype)
    chunks = [
        min(size, 1024) if axis in "YX" else 1
        for axis, size in zip(axes, sizes, strict=True)
    ]
    return group.create_array(
        "0",
        shape=tuple(sizes),
        chunks=tuple(chunks),
        dtype=dtype,
        dimension_names=[axis.lower() for axis in axes],
    )


def _ome_attributes(
    axes: list[str], metadata: StackMetadata, dtype: np.dtype[Any]
) -> dict[str, Any]:
    described = []
    for axis in axes:
        entry = {"name": axis.lower(), "type": _KINDS.get(axis, "space")}
        if axis in metadata.units:
            entry["unit"] = metadata.units[axis]
        described.append(entry)
    scale = [metadata.pixel_size.get(axis, 1.0) for axis in axes]
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(metadata.translate.values()):
        shift = [metadata.translate.get(axis, 0.0) for axis in axes]
        transforms.append({"type": "translation", "translation": shift})
    dataset = {"path": "0", "coordinateTransformations": transforms}
    image = {"name": metadata.name, "axes": described, "datasets": [dataset]}
    ome: dict[str, Any] = {"version": "0.5", "multiscales": [image]}
    if metadata.channel_names:
        ome["omero"] = {"channels": _channels(metadata.channel_names, dtype)}
    return ome


def _channels(names: tuple[str, ...], dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    """Describe channels as OME-Zarr wants them: white, over the range of their type."""
    low, high = (
        (0, 1) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    )
    window = {"min": int(low), "max": int(high), "start": int(low), "end": int(high)}
    return [{"label": name, "color": "FFFFFF", "window": window} for name in names]
