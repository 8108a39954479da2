"""Where planes come from: arrays and files, read one plane at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import PlaneIndex, StackLayout, check_axes, refuse_masked
from diffir_core.stacks.metadata import StackMetadata
from diffir_core.stacks.slabs import Slabs

_TIFF = (".tif", ".tiff", ".btf", ".tf8")


class StackSource(Protocol):
    """A stack that is read plane by plane."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: StackLayout
    metadata: StackMetadata

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""

    def close(self) -> None:
        """Release the file."""


class ArraySource:
    """An array in memory, or a lazy one (dask, Zarr), with named axes."""

    def __init__(
        self,
        array: Any,
        axes: str,
        metadata: StackMetadata | None = None,
        files: Iterable[Path] = (),
    ) -> None:
        """Take an array; `files` are those that it came from, if that is known."""
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = _as_array(array)
        refuse_masked(array)
        self._slabs = Slabs(array)
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = _dtype_of(array).newbyteorder("=")
        self.layout = check_axes(axes, self.shape)
        self.metadata = metadata or StackMetadata(self.layout.axes)
        self.files = tuple(files)

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        return self._slabs.take(plane)

    def hold(self, planes: Sequence[PlaneIndex], most_bytes: int) -> int:
        """Hold deep chunks while these planes are read; see `Slabs.hold`."""
        return self._slabs.hold(planes, most_bytes)

    def close(self) -> None:
        """Do nothing: the array is the caller's."""


def _as_array(values: Any) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(
            "The image is made of rows of different lengths; give an array."
        ) from error


def _dtype_of(array: Any) -> np.dtype[Any]:
    try:
        found: np.dtype[Any] = np.dtype(array.dtype)
    except TypeError as error:
        raise InputError(
            f"The image has the type {array.dtype}, which is not numpy's; give a numpy "
            "array, such as tensor.numpy()."
        ) from error
    return found


def open_source(
    path: str | Path, axes: str | None = None, level: int = 0
) -> StackSource:
    """Open a TIFF, OME-TIFF, ImageJ TIFF, OME-Zarr, Zarr or folder of planes lazily.

    Axes come from the file; where it does not name them, they must be given. `level` is
    the resolution level of an OME-Zarr, 0 the finest.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}; check its name.")
    if is_folder(path):
        from diffir_core.stacks._folder_source import FolderSource

        return FolderSource(tiff_files(path), axes)
    if path.is_dir():
        from diffir_core.stacks._zarr_source import ZarrSource

        return ZarrSource(path, axes, level)
    if path.suffix.lower() in _TIFF:
        from diffir_core.stacks._tiff_source import TiffSource

        return TiffSource(path, axes)
    raise InputError(
        f"{path.name} has the unknown type '{path.suffix}'; TIFF, OME-TIFF and "
        "OME-Zarr are read, others open in napari through their own readers."
    )


def files_of(source: StackSource) -> tuple[Path, ...]:
    """Give the files a source reads beside the one it was opened by, if it knows."""
    found: tuple[Path, ...] = getattr(source, "files", ())
    return found


def held_bytes(
    source: StackSource, planes: Sequence[PlaneIndex], most_bytes: int
) -> int:
    """Let a source that has deep chunks hold them; give what they take."""
    hold = getattr(source, "hold", None)
    return hold(planes, most_bytes) if hold else 0


def is_folder(path: Path) -> bool:
    """Tell a folder of TIFF files from a Zarr, which is a folder, too."""
    return path.is_dir() and path.suffix.lower() != ".zarr" and bool(tiff_files(path))


def tiff_files(folder: Path) -> list[Path]:
    """Give the TIFF files of a folder, numbers in names counted as numbers.

    Hidden ones are left out: macOS leaves such files beside others.
    """
    seen = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = [p for p in seen if p.suffix.lower() in _TIFF and p.is_file()]
    return sorted(found, key=lambda p: _by_number(p.name))


def _by_number(name: str) -> list[tuple[int, int, str]]:
    """Give a key by which 'z9' comes before 'z10'."""
    parts = re.findall(r"(\d+)|(\D+)", name)
    return [(0, int(n), "") if n else (1, 0, text.lower()) for n, text in parts]
