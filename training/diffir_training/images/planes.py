"""Planes of training images, read window by window from files of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import PlaneIndex, StackLayout
from diffir_core.stacks.source import ArraySource
from diffir_training.images._files import image_files
from diffir_training.images._opening import FileCache, Windows, open_windows
from diffir_training.images.checks import check_dtype

Position = tuple[tuple[str, int], ...]


class ImagePlane(Protocol):
    """A plane, of one channel or of the samples of an RGB image."""

    @property
    def name(self) -> str:
        """File and position, for messages."""

    @property
    def file(self) -> str:
        """The file; its planes share an intensity mapping and are held back as one."""

    @property
    def shows(self) -> tuple[str, ...]:
        """All files that show its specimen."""

    @property
    def position(self) -> Position:
        """Where the plane is in its file: axes longer than 1, such as (("T", 2),)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read the window (channels, rows, columns), and no more than it needs."""


@dataclass(frozen=True, slots=True)
class StackPlane:
    """One plane of a file, or of an array."""

    file: str
    windows: Windows
    index: PlaneIndex

    @property
    def shows(self) -> tuple[str, ...]:
        """The file alone."""
        return (self.file,)

    @property
    def position(self) -> Position:
        """Where the plane is in its file: axes longer than 1, such as (("T", 2),)."""
        layout = self.windows.layout
        return tuple(at for at in self.index.position if layout.size(at[0]) > 1)

    @property
    def name(self) -> str:
        """File, its folder, and position, for messages: partners have equal names."""
        where = [f"{axis}={i}" for axis, i in self.position]
        return " ".join(["/".join(Path(self.file).parts[-2:]), *where])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""
        layout = self.windows.layout
        joint = "S" in layout.axes and self._selects_all("S")
        return layout.size("S") if joint else 1, layout.size("Y"), layout.size("X")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the byte order of the machine."""
        return self.windows.dtype

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read the window (channels, rows, columns), and no more than it needs."""
        window = {"Y": rows, "X": columns}
        selection = tuple(
            window.get(axis, item)
            for axis, item in zip(self.index.axes, self.index.selection, strict=True)
        )
        values = self.windows.read(replace(self.index, selection=selection))
        return np.array(values, self.dtype, order="C")

    def _selects_all(self, axis: str) -> bool:
        return isinstance(self.index.selection[self.index.axes.index(axis)], slice)


@dataclass(frozen=True, slots=True)
class MeanPlane:
    """The mean of frames of the same field, as float32 in their units."""

    frames: tuple[ImagePlane, ...]
    name: str
    file: str
    position: Position = ()

    @property
    def shows(self) -> tuple[str, ...]:
        """The file, or folder, of the frames."""
        return (self.file,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""
        return self.frames[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read the window (channels, rows, columns) of every frame, and average."""
        total = self.frames[0].read(rows, columns).astype(np.float64)
        for frame in self.frames[1:]:
            total += frame.read(rows, columns)
        return (total / len(self.frames)).astype(np.float32)


class Array(Protocol):
    """An array of NumPy, dask or Zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes."""

    @property
    def dtype(self) -> Any:
        """Type of its values."""

    def __getitem__(self, selection: Any, /) -> Any:
        """Give a part."""


def open_planes(
    path: str | Path | Array, axes: str | None = None, *, cache: FileCache | None = None
) -> list[ImagePlane]:
    """List the planes of a file, a folder of files, a glob pattern or an array.

    Files are TIFF, OME-TIFF, ImageJ TIFF, Zarr and OME-Zarr (its full resolution), PNG,
    JPEG and BMP. Every index along Z, T, C and other axes is a plane of its own. The
    samples S of RGB images are too, unless `axes` names S: then they stay together.

    Parameters
    ----------
    path
        What to read. Files of other types in a folder are left out.
    axes
        One letter a dimension, such as ``TZYX``. By default as the files say; an array
        of two dimensions is YX.
    cache
        What open files and decoded pictures are kept in; share it between calls.
    """
    if not isinstance(path, str | Path):
        return array_planes(path, axes)
    cache = cache or FileCache()
    return [p for file in image_files(path) for p in file_planes(file, axes, cache)]


def file_planes(path: Path, axes: str | None, cache: FileCache) -> list[ImagePlane]:
    """List the planes of one image file."""
    return _planes(str(path), open_windows(path, axes, cache), axes)


def array_planes(
    array: Array, axes: str | None = None, name: str = "array"
) -> list[ImagePlane]:
    """List the planes of an array; `name` stands for its file."""
    if axes is None and len(array.shape) != 2:
        raise InputError(
            f"{name} has {len(array.shape)} dimensions and no axes; name them, such as "
            "'ZYX'."
        )
    axes = (axes or "YX").upper()
    return _planes(name, ArraySource(array, axes), axes)


def _planes(file: str, windows: Windows, asked: str | None) -> list[ImagePlane]:
    check_dtype(file, windows.dtype)
    joint = "YXS" if asked and "S" in asked.upper() else "YX"
    return [StackPlane(file, windows, i) for i in _indices(windows.layout, joint)]


def _indices(layout: StackLayout, joint: str) -> list[PlaneIndex]:
    ranges: Sequence[Sequence[int | slice]] = [
        [slice(None)] if axis in joint else range(size)
        for axis, size in zip(layout.axes, layout.shape, strict=True)
    ]
    return [PlaneIndex(layout.axes, each, channel=None) for each in product(*ranges)]
