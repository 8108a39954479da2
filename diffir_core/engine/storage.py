"""Where feature maps are kept: memory of a device, or temporary files beyond it.

Files are read and written at exact places, not mapped: of a mapped file the system
reads far more than is touched, and its pages count as memory of the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from diffir_core.errors import InputError, StorageError

_BYTES = 4
Shape = tuple[int, int, int]


class Storage(Protocol):
    """(height, width, channels) of float32."""

    shape: Shape
    device: torch.device
    """Where a tile is best read to."""

    def read(self, rows: slice, columns: slice, out: Tensor) -> None:
        """Copy a tile to `out` (rows, columns, channels), on any device."""

    def write(self, rows: slice, columns: slice, values: Tensor) -> None:
        """Store a tile (rows, columns, channels), from any device."""


class Store(Protocol):
    """Makes storages."""

    def allocate(self, shape: Shape) -> Storage:
        """Give a new storage; its values are undefined."""


class MemoryStore:
    """Keeps values in the memory of a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def allocate(self, shape: Shape) -> Storage:
        """See `Store`."""
        return _TensorStorage(
            torch.empty(shape, device=self._device, dtype=torch.float32)
        )


class _TensorStorage:
    def __init__(self, values: Tensor) -> None:
        self._values, self.device = values, values.device
        height, width, channels = values.shape
        self.shape = height, width, channels

    def read(self, rows: slice, columns: slice, out: Tensor) -> None:
        """See `Storage`."""
        out.copy_(self._values[rows, columns])

    def write(self, rows: slice, columns: slice, values: Tensor) -> None:
        """See `Storage`."""
        self._values[rows, columns].copy_(values)


class FileStore:
    """Keeps values in temporary files.

    The files have no name: whatever happens to the process, nothing stays on the disk.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder or tempfile.gettempdir())

    def allocate(self, shape: Shape) -> Storage:
        """See `Store`."""
        height, width, channels = shape
        size = _BYTES * height * width * channels
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise InputError(
                f"Restoring this plane within the memory budget needs {size / 1e9:.1f} "
                f"GB of disk in {self.folder}, {free / 1e9:.1f} GB are free; set "
                "TMPDIR to a larger disk or raise memory."
            )
        with _in_folder(self.folder):
            file = tempfile.TemporaryFile(dir=self.folder, buffering=0)
            kept = _FileStorage(file, shape, self.folder)
            file.truncate(size)
        return kept


@contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """Say of which disk an error is: that of the output may have room enough."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Temporary files in {folder} could not be kept ({error.strerror or error})"
            "; free some space there, set TMPDIR to a larger disk, or raise memory."
        ) from error


class _FileStorage:
    device = torch.device("cpu")

    def __init__(self, file: Any, shape: Shape, folder: Path) -> None:
        self._file, self.shape, self._folder = file, shape, folder
        self._lock = threading.Lock()
        weakref.finalize(self, file.close)
        if hasattr(os, "posix_fadvise"):  # Tiles jump: reading ahead reads in vain.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

    def read(self, rows: slice, columns: slice, out: Tensor) -> None:
        """See `Storage`."""
        direct = out.is_contiguous() and out.device.type == "cpu"
        tile = (
            out
            if direct
            else torch.empty(out.shape, device=self.device, dtype=torch.float32)
        )
        with _in_folder(self._folder):
            for place, run in self._runs(rows, columns, tile):
                self._transfer(place, run, into=True)
        if not direct:
            out.copy_(tile)

    def write(self, rows: slice, columns: slice, values: Tensor) -> None:
        """See `Storage`."""
        tile = values.to("cpu", torch.float32).contiguous()
        with _in_folder(self._folder):
            for place, run in self._runs(rows, columns, tile):
                self._transfer(place, run, into=False)

    def _runs(
        self, rows: slice, columns: slice, tile: Tensor
    ) -> list[tuple[int, memoryview]]:
        """Cut a tile into what lies in one piece in the file: (offset, bytes)."""
        _, width, channels = self.shape
        pixel = _BYTES * channels
        view = memoryview(tile.numpy()).cast("B")  # type: ignore[arg-type]
        count, length = rows.stop - rows.start, columns.stop - columns.start
        if length == width:
            return [(rows.start * width * pixel, view)]
        step = length * pixel
        return [
            (
                ((rows.start + i) * width + columns.start) * pixel,
                view[i * step : (i + 1) * step],
            )
            for i in range(count)
        ]

    def _transfer(self, place: int, run: memoryview, *, into: bool) -> None:
        """Read or write all of `run`; the system may take it in parts."""
        while run:
            done = self._some(place, run, into=into)
            if done == 0:
                raise OSError("a temporary file ended early; is the disk full?")
            place, run = place + done, run[done:]

    def _some(self, place: int, run: memoryview, *, into: bool) -> int:
        if hasattr(os, "preadv"):
            move = os.preadv if into else os.pwritev
            return move(self._file.fileno(), [run], place)
        with self._lock:  # Windows has one position for all threads.
            self._file.seek(place)
            move_here = self._file.readinto if into else self._file.write
            return int(move_here(run) or 0)
