"""OME-Zarr 0.5: sharded, with resolution levels that grow as planes are written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Self

import zarr
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.report import RestoreReport
from diffir_core.stacks import _ome_attributes as ome
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.durability import remove_leftovers, sync_tree
from diffir_core.stacks.ledger import Ledger, iprs
from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.pyramid import halved, level_count, level_size
from diffir_core.stacks.units import checksum

_ORDER = "TCZYX"
_CHUNK_SIDE = 512
_SHARD_SIDE = 4096
_IPRS = "diffir_iprs"


class ZarrSink:
    """An OME-Zarr image whose planes are written in any order, and again.

    A plane is a shard of its own, or a few if it is huge: one file to look at a plane,
    no file that two planes or two workers share, and files by the plane, not by the
    chunk, on the disk.
    """

    def __init__(self, path: Path, spec: ImageSpec, levels: list[Any]) -> None:
        self._path, self._spec, self._levels = path, spec, levels
        self._axes, self._order = _axes(spec)

    @classmethod
    def create(cls, path: Path, spec: ImageSpec) -> Self:
        """Create the image, empty."""
        axes, order = _axes(spec)
        sizes = [spec.shape[axes.index(axis)] for axis in order]
        # Never a text: zarr reads "a::b" as an address, and would empty the folder a.
        group = zarr.open_group(path, mode="w", zarr_format=3)
        count = level_count(sizes[-2], sizes[-1])
        levels = [_create(group, order, sizes, spec, level) for level in range(count)]
        attributes = ome.multiscale(order, spec.metadata, count)
        attributes["omero"] = ome.channels(
            _channels(order, sizes), spec.metadata, spec.dtype
        )
        group.attrs.update({"ome": attributes, "diffir": {"state": "unfinished"}})
        return cls(path, spec, levels)

    @classmethod
    def attach(cls, path: Path, spec: ImageSpec) -> Self:
        """Open what `create` made, to go on or to take part."""
        axes, order = _axes(spec)
        sizes = [spec.shape[axes.index(axis)] for axis in order]
        group = zarr.open_group(path, mode="r+")
        count = level_count(sizes[-2], sizes[-1])
        levels: list[Any] = [group[str(level)] for level in range(count)]
        for level, array in enumerate(levels):
            if list(array.shape) != _level_sizes(order, sizes, level):
                raise InputError(f"{path.name} has levels of other sizes.")
        return cls(path, spec, levels)

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> tuple[int, ...]:
        """Write one plane, (channels, Y, X), at all levels; give their checksums."""
        target, sums = self._target(plane), []
        for number, array in enumerate(self._levels):
            values = halved(values) if number else values
            # What a killed run may have left here is not read, let alone merged.
            self._forget(number, target)
            target.put(array, values)
            sums.append(checksum(values))
        return tuple(sums)

    def checksums(self, plane: PlaneIndex) -> tuple[int, ...]:
        """Read a plane back at all levels; nothing is taken for granted."""
        target = self._target(plane)
        return tuple(checksum(target.take(array)) for array in self._levels)

    def _target(self, plane: PlaneIndex) -> PlaneIndex:
        """Give the place of a source's plane in the order of the axes here."""
        axes = _without_samples(plane.axes)
        selection = tuple(plane.selection[axes.index(axis)] for axis in self._order)
        return PlaneIndex("".join(self._order), selection, plane.channel)

    def _forget(self, level: int, plane: PlaneIndex) -> None:
        """Remove the shards of a plane."""
        folders = [self._path / str(level) / "c"]
        for axis, item in zip(self._order[:-2], plane.selection[:-2], strict=True):
            names = range(self._spec.shape[self._axes.index(axis)])
            chosen = [item] if isinstance(item, int) else names
            folders = [folder / str(name) for folder in folders for name in chosen]
        for folder in folders:
            if folder.exists():
                shutil.rmtree(folder)

    def finish(self, report: RestoreReport, ledger: Ledger) -> None:
        """Add what is known of the making, and bring everything to the disk."""
        remove_leftovers(self._path)
        group: Any = zarr.open_group(self._path, mode="r+")
        described = dict(group.attrs["ome"])
        shape = list(self._levels[0].shape)
        described["omero"] = ome.channels(
            _channels(self._order, shape),
            self._spec.metadata,
            self._spec.dtype,
            report.mappings,
            chosen=report.options.get("channels") is not None,
        )
        made = {"diffir": report.model_dump(mode="json"), "diffir_job": self._spec.job}
        group.attrs.update({"ome": described, **made})
        _keep_iprs(group, ledger)
        sync_tree(self._path)


def _without_samples(axes: str) -> str:
    """Name RGB samples channels, as OME-Zarr does."""
    return axes if "C" in axes else axes.replace("S", "C")


def _axes(spec: ImageSpec) -> tuple[str, list[str]]:
    """Give the axes as they come, and in the order of the format."""
    axes = _without_samples(spec.metadata.axes)
    return axes, sorted(axes, key=_ORDER.index)


def _channels(order: list[str], sizes: list[int]) -> int:
    return sizes[order.index("C")] if "C" in order else 1


def _level_sizes(order: list[str], sizes: list[int], level: int) -> list[int]:
    return [
        level_size(size, level) if axis in "YX" else size
        for axis, size in zip(order, sizes, strict=True)
    ]


def _create(
    group: Any, order: list[str], sizes: list[int], spec: ImageSpec, level: int
) -> Any:
    shape = _level_sizes(order, sizes, level)
    chunks, shards = [1] * len(shape), [1] * len(shape)
    for axis in (-2, -1):
        chunks[axis] = min(shape[axis], _CHUNK_SIDE)
        most = _SHARD_SIDE // chunks[axis]
        shards[axis] = chunks[axis] * min(most, -(-shape[axis] // chunks[axis]))
    return group.create_array(
        str(level),
        shape=tuple(shape),
        chunks=tuple(chunks),
        shards=tuple(shards) if shards != chunks else None,
        dtype=spec.dtype,
        dimension_names=[axis.lower() for axis in order],
    )


def _keep_iprs(group: Any, ledger: Ledger) -> None:
    """Store the IPRs that planes have of their own, in the order of the planes."""
    vectors = iprs(ledger)
    if vectors is not None:
        chunks = (4096, vectors.shape[1])
        array = group.create_array(_IPRS, data=vectors, overwrite=True, chunks=chunks)
        array.attrs["about"] = "IPR of each restored plane, in the order of the planes"
