"""OME-Zarr 0.3 to 0.5 and plain Zarr arrays, formats 2 and 3: read plane by plane."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from diffir_core.errors import AxesNotSaidError, InputError
from diffir_core.stacks._zarr_attributes import (
    Attributes,
    image_metadata,
    listed,
    ome_attributes,
)
from diffir_core.stacks.axes import PlaneIndex, check_axes
from diffir_core.stacks.metadata import StackMetadata
from diffir_core.stacks.slabs import Slabs

_DESCRIPTIONS = ("zarr.json", ".zarray")
"""One of them is in the folder of each array."""


class ZarrSource:
    """A level of an OME-Zarr image, the finest if none is chosen, or a Zarr array."""

    def __init__(self, path: Path, axes: str | None, level: int = 0) -> None:
        path = Path(os.path.abspath(path))  # Wherever this process goes.
        node = _image(_open(path), path)
        is_array = isinstance(node, zarr.Array)
        self.levels: tuple[Any, ...] = (node,) if is_array else _levels(node, path)
        self._array = self.levels[_checked(level, self.levels, path)]
        self._slabs = Slabs(self._array)
        self._folder = path / self._array.path
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        count = len(self.shape)
        metadata = None if is_array else _metadata(node, level, count, path)
        axes = axes or (metadata.axes if metadata else None)
        if axes is None:
            raise AxesNotSaidError(
                f"{path.name} does not say what its {count} axes are; pass them, such "
                f"as --axes {'TCZYX'[-count:]}.",
                count,
            )
        self.layout = check_axes(axes, self.shape)
        metadata = metadata or StackMetadata(self.layout.axes, name=path.name)
        self.metadata = metadata.renamed(self.layout.axes)

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X), in native byte order."""
        try:
            values = self._slabs.take(plane)
        except (OSError, ValueError, RuntimeError, zlib.error) as error:
            raise InputError(
                f"Cannot read {plane.place}: {error}; a chunk may be damaged."
            ) from error
        # Zarr takes chunks that are not there for black ones.
        if not any((self._folder / name).is_file() for name in _DESCRIPTIONS):
            raise InputError(
                f"{self._folder} is no longer there; bring it back and try again."
            )
        return values.astype(self.dtype, copy=False)

    def hold(self, planes: Sequence[PlaneIndex], most_bytes: int) -> int:
        """Hold deep chunks while these planes are read; see `Slabs.hold`."""
        return self._slabs.hold(planes, most_bytes)

    def close(self) -> None:
        """Do nothing: a Zarr store holds no open file."""


def _open(path: Path) -> Any:
    try:
        node: Any = zarr.open(path, mode="r")
    except Exception as error:  # Zarr raises errors of many kinds.
        raise InputError(f"{path.name} is not a readable Zarr ({error}).") from error
    return node


def _image(node: Any, path: Path) -> Any:
    """Find the one image of a store: the array, or the group with its OME metadata."""
    if isinstance(node, zarr.Array):
        return node
    ome = ome_attributes(node)
    if listed(ome, "multiscales"):
        return node
    if "plate" in ome or "well" in ome:
        kind = "plate" if "plate" in ome else "well"
        raise InputError(
            f"{path.name} is a {kind} of images; open one field, such as "
            f"{path.name}/{_field(node, ome)}."
        )
    if "bioformats2raw.layout" in ome:
        images = sorted(name for name, _ in node.groups() if name.isdigit())
        if images == ["0"]:
            return _image(node["0"], path / "0")
        raise InputError(
            f"{path.name} holds {len(images)} images; open one, such as {path.name}/0."
        )
    raise InputError(
        f"{path.name} is a Zarr group without an OME image; open one of its arrays."
    )


def _field(node: Any, ome: Attributes) -> str:
    """Give where the first field of a plate or a well is."""
    if "plate" not in ome:
        fields = listed(ome["well"], "images") or [{}]
        return str(fields[0].get("path", "0"))
    wells = listed(ome["plate"], "wells") or [{}]
    well = str(wells[0].get("path", "A/1"))
    inside = ome_attributes(node[well]) if well in node else {}
    return f"{well}/{_field(node, {'well': inside.get('well')})}"


def _levels(node: Any, path: Path) -> tuple[Any, ...]:
    """Give the levels that are there, down to the first that is not."""
    found = []
    for each in listed(listed(ome_attributes(node), "multiscales")[0], "datasets"):
        name = str(each.get("path"))
        if name not in node:
            break
        found.append(node[name])
    if not found:
        raise InputError(f"{path.name} lacks its pixels; copy it again.")
    return tuple(found)


def _metadata(node: Any, level: int, count: int, path: Path) -> StackMetadata | None:
    ome = ome_attributes(node)
    image = listed(ome, "multiscales")[0]
    return image_metadata(ome, image, level, count, path.name)


def _checked(level: int, levels: Sequence[Any], path: Path) -> int:
    if not 0 <= level < len(levels):
        raise InputError(
            f"{path.name} has {len(levels)} resolution levels, counted from 0; there "
            f"is no level {level}."
        )
    return level
