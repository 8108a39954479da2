"""The mean of a plane's eight flips and turns, each restored and turned back.

A network takes up and down, left and right for different things, if only a little. The
mean over all of them errs less (Timofte et al., CVPR 2016), at eight times the time.
All eight share the plane's IPR, and have attention of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.planes import Job, Plane

Image = NDArray[np.float32]

_STRIP_ROWS = 256


class Symmetry(NamedTuple):
    """A flip or turn: rows or columns are reversed, then both exchanged."""

    number: int
    """0 is the plane as it is."""

    @property
    def exchanges(self) -> bool:
        """Whether rows become columns."""
        return self.number >= 4

    def flipped(self, image: NDArray[Any]) -> NDArray[Any]:
        """Reverse the last two axes as this symmetry does; done twice, undone."""
        down, across = (-1 if self.number & bit else 1 for bit in (1, 2))
        return image[..., ::down, ::across]

    def back(self, image: Image) -> Image:
        """Turn (channels, rows, columns) back, without a copy."""
        turned = np.swapaxes(image, -2, -1) if self.exchanges else image
        return self.flipped(turned)

    def named(self, block: str) -> str:
        """Name a block's attention: there is one in each symmetry."""
        return f"symmetry{self.number}/{block}" if self.number else block


SYMMETRIES = tuple(Symmetry(number) for number in range(8))


def mean_bytes(pixels: int, channels: int) -> int:
    """Give what the mean takes of a result of so many pixels, while it is made."""
    return 2 * 4 * pixels * channels


class SymmetryMean:
    """The mean of one job, whose plane is written when all symmetries were added."""

    def __init__(self, job: Job) -> None:
        self._job, plane = job, job.plane
        scale, channels = plane.config.scale, plane.config.out_channels
        self._padded = (scale * len(plane.rows), scale * len(plane.columns))
        sides = (scale * plane.height, scale * plane.width)
        self._sum = np.zeros((channels, *sides), np.float32)
        self._part = np.empty(0, np.float32)
        self._turned = job

    def turned(self, symmetry: Symmetry) -> Job:
        """Give the plane flipped and turned, as a job whose result is kept here."""
        attention = {
            block: self._job.attention[symmetry.named(block)]
            for block in self._job.folded
            if symmetry.named(block) in self._job.attention
        }
        self._turned = Job(self._turned_plane(symmetry), self._job.folded, attention)
        return self._turned

    def _turned_plane(self, symmetry: Symmetry) -> Plane:
        """Turn the plane with what is mirrored, so that its grid stays the same."""
        plane, exchanges = self._job.plane, symmetry.exchanges
        sides = (len(plane.rows), len(plane.columns))
        height, width = sides[::-1] if exchanges else sides
        shape = self._padded[::-1] if exchanges else self._padded
        part = self._part = np.empty((len(self._sum), *shape), np.float32)
        all_rows, all_columns = (
            symmetry.flipped(index).ravel()
            for index in (plane.rows[:, None], plane.columns[None])
        )

        def read(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Image:
            if exchanges:
                rows, columns = columns, rows
            tile = plane.read(all_rows[rows], all_columns[columns])
            return np.ascontiguousarray(tile.swapaxes(1, 2)) if exchanges else tile

        def write(rows: slice, columns: slice, tile: Image) -> None:
            part[:, rows, columns] = tile

        return Plane(height, width, plane.config, read, write)

    def add(self, symmetry: Symmetry) -> None:
        """Add the result of the job that was turned last, and keep its attention."""
        _, height, width = self._sum.shape
        self._sum += symmetry.back(self._part)[:, :height, :width]
        self._part = np.empty(0, np.float32)
        for block, matrix in self._turned.attention.items():
            self._job.attention[symmetry.named(block)] = matrix

    def write(self) -> None:
        """Write the mean into the plane of the job."""
        everywhere = slice(0, self._sum.shape[2])
        for first in range(0, self._sum.shape[1], _STRIP_ROWS):
            strip = self._sum[:, first : first + _STRIP_ROWS]
            rows = slice(first, first + strip.shape[1])
            self._job.plane.write(rows, everywhere, strip / np.float32(8))
