"""The mean of a plane's four flips, each restored and turned back.

A network takes up and down, left and right for different things, if only a little. The
mean over all of them errs less (Timofte et al., CVPR 2016), at four times the cost. The
plane is not turned by a quarter: noise that a scan correlates lies along X in most of
training and in most images, and along Y the network leaves more of it. All four share
the plane's IPR, and have attention of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.planes import Job, Plane

Image = NDArray[np.float32]

_STRIP_ROWS = 256


class Flip(NamedTuple):
    """Rows or columns reversed, or both, or neither."""

    number: int
    """0 is the plane as it is."""

    def flipped(self, image: NDArray[Any]) -> NDArray[Any]:
        """Reverse the last two axes as this flip does; done twice, undone."""
        down, across = (-1 if self.number & bit else 1 for bit in (1, 2))
        return image[..., ::down, ::across]

    def named(self, block: str) -> str:
        """Name a block's attention: there is one in each flip."""
        return f"flip{self.number}/{block}" if self.number else block


FLIPS = tuple(Flip(number) for number in range(4))


def mean_bytes(pixels: int, channels: int) -> int:
    """Give what the mean takes of a result of so many pixels, while it is made."""
    return 2 * 4 * pixels * channels


class FlipMean:
    """The mean of one job, whose plane is written when all flips were added."""

    def __init__(self, job: Job) -> None:
        self._job, plane = job, job.plane
        scale, channels = plane.config.scale, plane.config.out_channels
        self._padded = (scale * len(plane.rows), scale * len(plane.columns))
        sides = (scale * plane.height, scale * plane.width)
        self._sum = np.zeros((channels, *sides), np.float32)
        self._part = np.empty(0, np.float32)
        self._flipped = job

    def flipped(self, flip: Flip) -> Job:
        """Give the flipped plane, as a job whose result is kept here."""
        attention = {
            block: self._job.attention[flip.named(block)]
            for block in self._job.folded
            if flip.named(block) in self._job.attention
        }
        self._flipped = Job(self._flipped_plane(flip), self._job.folded, attention)
        return self._flipped

    def _flipped_plane(self, flip: Flip) -> Plane:
        """Flip the plane with what is mirrored, so that its grid stays the same."""
        plane = self._job.plane
        part = self._part = np.empty((len(self._sum), *self._padded), np.float32)
        all_rows, all_columns = (
            flip.flipped(index).ravel()
            for index in (plane.rows[:, None], plane.columns[None])
        )

        def read(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Image:
            return plane.read(all_rows[rows], all_columns[columns])

        def write(rows: slice, columns: slice, tile: Image) -> None:
            part[:, rows, columns] = tile

        height, width = len(plane.rows), len(plane.columns)
        return Plane(height, width, plane.config, read, write)

    def add(self, flip: Flip) -> None:
        """Add the result of the job that was flipped last, and keep its attention."""
        _, height, width = self._sum.shape
        self._sum += flip.flipped(self._part)[:, :height, :width]
        self._part = np.empty(0, np.float32)
        for block, matrix in self._flipped.attention.items():
            self._job.attention[flip.named(block)] = matrix

    def write(self) -> None:
        """Write the mean into the plane of the job."""
        everywhere = slice(0, self._sum.shape[2])
        for first in range(0, self._sum.shape[1], _STRIP_ROWS):
            strip = self._sum[:, first : first + _STRIP_ROWS]
            rows = slice(first, first + strip.shape[1])
            self._job.plane.write(rows, everywhere, strip / np.float32(len(FLIPS)))
