"""What is restored to disk: a file or folder, or the array of a layer."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffir_core.errors import InputError
from napari_diffir._layers import full_resolution
from napari_diffir._opening import SOURCE_KEY

if TYPE_CHECKING:
    from napari.layers import Image

    from diffir_core.stacks.metadata import StackMetadata
    from diffir_core.stacks.source import StackSource


@dataclass(frozen=True, slots=True)
class LayerStack:
    """The array of a layer with its metadata, apart from the layer: for any thread."""

    data: Any
    metadata: StackMetadata
    files: tuple[Path, ...] = ()
    """That the array may have come from: no output may take their place."""

    def open(self) -> StackSource:
        """Give the array as a source."""
        from diffir_core.stacks.source import ArraySource

        files = with_their_sets(self.files)
        return ArraySource(self.data, self.metadata.axes, self.metadata, files)


StackInput = Path | LayerStack


def opened(stack: StackInput) -> Path | StackSource:
    """Give what the core restores."""
    return stack if isinstance(stack, Path) else stack.open()


def input_of(layer: Image, axes: str) -> StackInput:
    """Give the file that a layer shows, where our reader opened it; else its array.

    A file has metadata that a layer has not, and a job of it runs anywhere. An array
    keeps pixel size, position, units and name; a layer that was turned or mirrored
    lies straight in a file.
    Raises `InputError` for axes that do not suit the layer.
    """
    from diffir_core.stacks.axes import check_axes

    array = full_resolution(layer)
    check_axes(axes, array.shape)
    if layer.rgb and not axes.endswith("S"):
        raise InputError(
            f"The layer '{layer.name}' is RGB: the last of its axes is S, not '{axes}'."
        )
    path = file_of(layer)
    if path is not None and axes == _labelled_axes(layer):
        return path
    return LayerStack(array, _metadata(layer, axes), files_behind(layer))


def file_of(layer: Image) -> Path | None:
    """Give the file whose pixels a layer shows, or None.

    napari copies metadata to layers that it makes of others, and data may be replaced;
    the file's own pixels are those that are still read lazily.
    """
    known = layer.metadata.get(SOURCE_KEY)
    if not known:
        return None
    import zarr

    return Path(known) if isinstance(full_resolution(layer), zarr.Array) else None


def files_behind(layer: Image) -> tuple[Path, ...]:
    """Give the files that a layer may have come from, whichever reader opened them.

    These are more than `file_of` gives, which has to be sure: of what a layer was made
    of, all is somebody's raw data. A layer names one file of several.
    """
    found = {layer.metadata.get(SOURCE_KEY), _store_of(full_resolution(layer))}
    source = layer.source
    while source is not None:  # A duplicate knows only what it was made of.
        found.add(source.path)
        parent = source.parent() if source.parent else None
        source = parent.source if parent is not None else None
    return tuple(Path(path) for path in sorted(map(str, found - {None, ""})))


def still_reads(layer: Image, path: Path) -> bool:
    """Tell whether a layer reads its pixels from a file, or from what it holds."""
    if isinstance(full_resolution(layer), np.ndarray):
        return False
    place = path.resolve()
    files = [one.resolve() for one in files_behind(layer)]
    return any(one == place or place in one.parents for one in files)


def with_their_sets(files: Iterable[Path]) -> set[Path]:
    """Give files with those that they are read together with, as one OME-TIFF."""
    return {one for file in files for one in (file, *_set_of(file, _state_of(file)))}


@functools.lru_cache(maxsize=64)
def _set_of(file: Path, state: tuple[int, ...]) -> frozenset[Path]:
    """Look once into the hundreds of files of a set, not at every key that is typed."""
    from diffir_core.stacks.folders import with_siblings

    return frozenset(with_siblings(file))


def _state_of(file: Path) -> tuple[int, ...]:
    """Tell apart a file, and what lies beside it, before and after a change."""
    try:
        found, folder = file.stat(), file.parent.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, folder.st_mtime_ns


def _store_of(array: Any) -> Path | None:
    """Give the folder of a Zarr array; None for any other array, and other stores."""
    root = getattr(getattr(array, "store", None), "root", None)
    return root / array.path if isinstance(root, Path) else None


def _labelled_axes(layer: Image) -> str:
    return "".join(layer.axis_labels).upper() + ("S" if layer.rgb else "")


def _metadata(layer: Image, axes: str) -> StackMetadata:
    from diffir_core.stacks.metadata import StackMetadata, unit_name

    spatial = axes.replace("S", "") if layer.rgb else axes
    units = {
        axis: name
        for axis, unit in zip(spatial, layer.units, strict=True)
        if (name := unit_name(str(unit)) or _full_name(str(unit)))
    }
    # Of a mirrored layer they are negative, which files cannot say.
    sizes = {
        axis: abs(float(one)) for axis, one in zip(spatial, layer.scale, strict=True)
    }
    shifts = dict(zip(spatial, map(float, layer.translate), strict=True))
    return StackMetadata(
        axes,
        {axis: size for axis, size in sizes.items() if size != 1 or axis in units},
        units,
        name=layer.name,
        translate={axis: shift for axis, shift in shifts.items() if shift},
    )


def _full_name(unit: str) -> str:
    return "" if unit in ("pixel", "dimensionless", "") else unit
