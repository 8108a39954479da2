"""Open images so that any window of any plane can be read, and little else is kept.

Three ways lead to a window. An uncompressed TIFF is mapped for the time of one reading.
Other TIFFs and Zarr decode the strips, tiles or chunks under the window. Pictures (PNG,
JPEG) can only be decoded whole, and are kept for a while.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import PlaneIndex, StackLayout
from diffir_core.stacks.source import ArraySource, StackSource, open_source
from diffir_training.images._files import PICTURES

_OPEN_FILE_BYTES = 4 * 2**20
"""What an open file counts for: 64 of them fill the default cache."""


class Windows(Protocol):
    """A stack of which windows of planes are read."""

    @property
    def layout(self) -> StackLayout:
        """Axes and sizes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the byte order of the machine."""

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read what the index selects, as (channels, rows, columns)."""


class FileCache:
    """Open files and decoded pictures, those used last, within a bound of memory.

    Safe to use from several threads, which then wait for each other. Another process
    receives an empty one, and opens the files anew.
    """

    def __init__(self, limit_bytes: int = 256 * 2**20) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._sources: OrderedDict[tuple[Path, str | None], StackSource] = OrderedDict()
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._sources)

    def __reduce__(self) -> tuple[type[FileCache], tuple[int]]:
        return FileCache, (self._limit,)

    @property
    def held_bytes(self) -> int:
        """Bytes of what is held now; an open file counts for 4 MiB."""
        return self._held

    def describe(
        self, path: Path, axes: str | None
    ) -> tuple[StackLayout, np.dtype[Any]]:
        """Give layout and dtype of a file, (StackLayout, numpy.dtype)."""
        with self._lock:
            source = self._opened(path, axes)
            return source.layout, source.dtype

    def read(self, path: Path, axes: str | None, plane: PlaneIndex) -> NDArray[Any]:
        """Read a window of a file; what is returned stays valid when it is closed."""
        with self._lock:
            return np.array(self._opened(path, axes).read(plane))

    def _opened(self, path: Path, axes: str | None) -> StackSource:
        key = (path, axes)
        if key not in self._sources:
            self._sources[key] = _open(path, axes)
            self._held += _cost(self._sources[key])
        self._sources.move_to_end(key)
        while self._held > self._limit and len(self._sources) > 1:
            _, oldest = self._sources.popitem(last=False)
            self._held -= _cost(oldest)
            oldest.close()
        return self._sources[key]


def _close_all(sources: OrderedDict[Any, StackSource]) -> None:
    while sources:
        sources.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class CachedWindows:
    """A file that is opened through the cache whenever it is read."""

    path: Path
    axes: str | None
    layout: StackLayout
    dtype: np.dtype[Any]
    cache: FileCache

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read what the index selects, as (channels, rows, columns)."""
        return self.cache.read(self.path, self.axes, plane)


@dataclass(frozen=True, slots=True)
class MappedWindows:
    """A TIFF whose pixels lie in the file one after the other, as in an array.

    Its strips can be as large as the file, so that decoding them would read it whole.
    The file is mapped anew for each window: no handle and no page stays behind.
    """

    path: Path
    layout: StackLayout
    stored: np.dtype[Any]
    offset_bytes: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the byte order of the machine."""
        return self.stored.newbyteorder("=")

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read what the index selects, as (channels, rows, columns)."""
        shape = self.layout.shape
        mapped = np.memmap(self.path, self.stored, "r", self.offset_bytes, shape)
        return np.array(plane.take(mapped))


def open_windows(path: Path, axes: str | None, cache: FileCache) -> Windows:
    """Open an image file of any readable type."""
    layout, dtype = cache.describe(path, axes)
    if path.is_file() and path.suffix.lower() not in PICTURES:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            if (offset := _plain_offset(series)) is not None:
                stored = np.dtype(dtype).newbyteorder(file.byteorder)
                return MappedWindows(path, layout, stored, offset)
    return CachedWindows(path, axes, layout, dtype, cache)


def _plain_offset(series: tifffile.TiffPageSeries) -> int | None:
    """Give where the pixels begin that lie one after the other, if they do."""
    is_plain = series.keyframe.is_memmappable and not series.is_multifile
    return series.dataoffset if is_plain else None


def _open(path: Path, axes: str | None) -> StackSource:
    if path.suffix.lower() not in PICTURES:
        return _stack(path, axes)
    picture = _picture(path)
    return ArraySource(picture, axes or "YXS"[: picture.ndim])


def _stack(path: Path, axes: str | None) -> StackSource:
    try:
        return open_source(path, axes)
    except InputError as error:
        if not str(error).startswith(path.name):
            raise
        error.args = (f"{_named(path)}{str(error).removeprefix(path.name)}",)
        raise


def _named(path: Path) -> str:
    """Name a file with its folder: partners have equal names."""
    return "/".join(path.parts[-2:])


def _picture(path: Path) -> NDArray[Any]:
    """Decode a picture to (y, x) or (y, x, 3); transparency is no data and left out."""
    from skimage.io import imread

    try:
        picture = np.asarray(imread(path))
    except Exception as error:  # Each decoder has its own kinds of errors.
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"{_named(path)} cannot be read as a picture ({why}); it may be truncated."
        ) from error
    if picture.ndim == 3 and picture.shape[-1] in (2, 4):
        picture = picture[..., :-1]
    return picture[..., 0] if picture.shape[2:] == (1,) else picture


def _cost(source: StackSource) -> int:
    if isinstance(source, ArraySource):
        return int(np.prod(source.shape) * source.dtype.itemsize)
    return _OPEN_FILE_BYTES
