"""OME-Zarr 0.3 to 0.5 and plain Zarr arrays, formats 2 and 3: read plane by plane."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from diffir_core.errors import AxesNotSaidError, InputError
from diffir_core.stacks.axes import PlaneIndex, check_axes
from diffir_core.stacks.metadata import (
    StackMetadata,
    known_colors,
    known_names,
    known_sizes,
    unit_name,
)

_DESCRIPTIONS = ("zarr.json", ".zarray")
"""One of them is in the folder of each array."""


class ZarrSource:
    """A level of an OME-Zarr image, the finest if none is chosen, or a Zarr array."""

    def __init__(self, path: Path, axes: str | None, level: int = 0) -> None:
        path = Path(os.path.abspath(path))  # Wherever this process goes.
        node, ome = _image(_open(path), path)
        if isinstance(node, zarr.Array):
            self.levels: tuple[Any, ...] = (node,)
            metadata = None
        else:
            image = ome["multiscales"][0]
            self.levels = _levels(node, image, path)
            metadata = _metadata(ome, image, _checked(level, self.levels, path), path)
        self._array = self.levels[_checked(level, self.levels, path)]
        self._folder = path / self._array.path
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        axes = axes or (metadata.axes if metadata else None)
        if axes is None:
            raise AxesNotSaidError(
                f"{path.name} does not say what its {len(self.shape)} axes are; pass "
                "them, such as --axes ZYX.",
                len(self.shape),
            )
        self.layout = check_axes(axes, self.shape)
        metadata = metadata or StackMetadata(self.layout.axes, name=path.name)
        self.metadata = metadata.renamed(self.layout.axes)

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X), in native byte order."""
        try:
            values = plane.take(self._array)
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

    def close(self) -> None:
        """Do nothing: a Zarr store holds no open file."""


def _open(path: Path) -> Any:
    try:
        node: Any = zarr.open(path, mode="r")
    except Exception as error:  # Zarr raises errors of many kinds.
        raise InputError(f"{path.name} is not a readable Zarr ({error}).") from error
    return node


def _image(node: Any, path: Path) -> tuple[Any, dict[str, Any]]:
    """Find the one image of a store: the array, or the group with its OME metadata."""
    if isinstance(node, zarr.Array):
        return node, {}
    attributes = dict(node.attrs)
    ome: Any = attributes.get("ome", attributes)
    if ome.get("multiscales"):
        return node, ome
    if "plate" in ome or "well" in ome:
        raise InputError(
            f"{path.name} is a plate or a well of images; open one field, such as "
            f"{path.name}/A/1/0."
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


def _levels(node: Any, image: Mapping[str, Any], path: Path) -> tuple[Any, ...]:
    """Give the levels that are there, down to the first that is not."""
    found = []
    for each in image["datasets"]:
        if each["path"] not in node:
            break
        found.append(node[each["path"]])
    if not found:
        raise InputError(f"{path.name} lacks its pixels; copy it again.")
    return tuple(found)


def _checked(level: int, levels: Sequence[Any], path: Path) -> int:
    if not 0 <= level < len(levels):
        raise InputError(
            f"{path.name} has {len(levels)} resolution levels, counted from 0; there "
            f"is no level {level}."
        )
    return level


def _metadata(
    ome: Mapping[str, Any], image: Mapping[str, Any], level: int, path: Path
) -> StackMetadata | None:
    entries = image.get("axes")
    if not entries:  # Before 0.3, axes had no names.
        return None
    axes = _letters(entries)
    units = {
        axis: unit_name(str(entry["unit"])) or str(entry["unit"])
        for axis, entry in zip(axes, entries, strict=True)
        if isinstance(entry, dict) and entry.get("unit")
    }
    scale, shift = _placement(image, level, len(axes))
    channels = ome.get("omero", {}).get("channels", [])
    return StackMetadata(
        axes="".join(axes),
        pixel_size=known_sizes(
            {
                axis: value
                for axis, value in zip(axes, scale, strict=True)
                if axis != "C" and (value != 1.0 or axis in units)
            }
        ),
        units=units,
        channel_names=known_names([str(c.get("label") or "") for c in channels]),
        name=image.get("name") or path.name,
        translate={a: v for a, v in zip(axes, shift, strict=True) if v and isfinite(v)},
        channel_colors=known_colors([str(c.get("color") or "") for c in channels]),
    )


def _letters(entries: Sequence[Any]) -> list[str]:
    """Give a letter for each axis; longer names go by their type and their order."""
    named = [e if isinstance(e, dict) else {"name": e} for e in entries]
    names = [str(entry["name"]).upper() for entry in named]
    if all(len(name) == 1 for name in names):
        return names
    kinds = [str(entry.get("type", "space")) for entry in named]
    spaces = list("ZYX"[-kinds.count("space") :])
    given = {"channel": "C", "time": "T"}
    return [
        given[kind] if kind in given else spaces.pop(0) if spaces else name[:1]
        for kind, name in zip(kinds, names, strict=True)
    ]


def _placement(
    image: Mapping[str, Any], level: int, count: int
) -> tuple[list[float], list[float]]:
    """Give scale and translation: those of the level, then those of the whole image."""
    scale, shift = np.ones(count), np.zeros(count)
    level_steps = image["datasets"][level].get("coordinateTransformations", [])
    for step in [*level_steps, *image.get("coordinateTransformations", [])]:
        if step["type"] == "scale":
            factors = np.asarray(step["scale"], float)
            scale, shift = scale * factors, shift * factors
        elif step["type"] == "translation":
            shift = shift + np.asarray(step["translation"], float)
    return [float(v) for v in scale], [float(v) for v in shift]
