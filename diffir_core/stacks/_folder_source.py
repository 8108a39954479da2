"""A folder of planes, one file each, as one stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import AxesNotSaidError, InputError
from diffir_core.stacks._tiff_source import TiffSource
from diffir_core.stacks.axes import PlaneIndex, check_axes, unused_letters


class FolderSource:
    """TIFF files of one shape, stacked along an axis that the caller names first.

    All are looked at when it is opened, since a run that meets the odd one at its end
    was for nothing. One file is open at a time.
    """

    def __init__(self, files: list[Path], axes: str | None) -> None:
        self._files, name = files, files[0].parent.name
        first = _first(files[0], axes)
        first.close()
        _check_no_set(first, files)
        inner = first.layout.axes
        if axes is None:
            along = unused_letters(inner)[0]
            raise AxesNotSaidError(
                f"{name} is a folder of {len(files)} files with the axes '{inner}'; "
                f"say what they are together, such as --axes {along}{inner}, "
                "or give a folder as the output to restore each on its own.",
                1 + len(inner),
            )
        self.shape: tuple[int, ...] = (len(files), *first.shape)
        self.dtype = first.dtype
        self.layout = check_axes(axes, self.shape)
        self._of_each = first.metadata
        self.metadata = replace(
            first.metadata,
            axes=self.layout.axes,
            name=name,
            stage_positions={},
            plane_times={},
        )
        for path in files[1:]:
            self._open(path).close()

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        number = plane.selection[0]
        if isinstance(number, slice):  # The files are channels, restored together.
            parts = [self._read(n, plane) for n in range(len(self._files))]
            return np.concatenate(parts)
        return self._read(number, plane)

    def _read(self, number: int, plane: PlaneIndex) -> NDArray[Any]:
        file = self._open(self._files[number])
        try:
            inner = PlaneIndex(plane.axes[1:], plane.selection[1:], plane.channel)
            return file.read(inner)
        finally:
            file.close()

    def _open(self, path: Path) -> TiffSource:
        """Open one of the files; the caller closes it."""
        file = TiffSource(path, self.layout.axes[1:], self._of_each)
        if file.shape != self.shape[1:] or file.dtype != self.dtype:
            file.close()
            raise InputError(
                f"{path.name} is {file.shape} of {file.dtype}, the files before "
                f"it {self.shape[1:]} of {self.dtype}; remove it from the folder."
            )
        return file

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


def _first(path: Path, axes: str | None) -> TiffSource:
    """Open the first file; one that does not say its axes is told with one more."""
    try:
        return TiffSource(path, axes[1:] if axes else None)
    except AxesNotSaidError as error:
        raise AxesNotSaidError(str(error), 1 + error.count) from error


def _check_no_set(first: TiffSource, files: list[Path]) -> None:
    """Refuse files each of which stands for all of them."""
    theirs = {path.resolve() for path in first.files}
    if len(theirs & {path.resolve() for path in files}) > 1:
        raise InputError(
            f"{files[0].name} and the files beside it are one OME-TIFF of several "
            "files; give one of them in place of the folder, and all are restored."
        )
