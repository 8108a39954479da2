"""TIFF and OME-TIFF: read plane by plane, and write whole."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import AxesNotSaidError, InputError
from diffir_core.stacks._imagej_metadata import imagej_metadata
from diffir_core.stacks._ome_xml import ome_metadata, whole_xml
from diffir_core.stacks._tiff_opening import open_whole
from diffir_core.stacks._tiff_photometric import (
    channel_axes,
    is_negative,
    table_colour,
)
from diffir_core.stacks.axes import PlaneIndex, StackLayout, check_axes, unused_letters
from diffir_core.stacks.metadata import StackMetadata, known_colors, known_sizes

_UNKNOWN_AXES = "QI"
_DAMAGES = (ValueError, OSError, RuntimeError, zlib.error)
"""What reading damaged pixels raises."""


class TiffSource:
    """A TIFF, OME-TIFF or ImageJ file, of which one plane at a time is in memory.

    With `metadata`, those of the file are not read, which may take long.
    """

    def __init__(
        self, path: Path, axes: str | None, metadata: StackMetadata | None = None
    ) -> None:
        self._file = open_whole(path)
        self._series = self._file.series[0]
        self._levels: tuple[Any, ...] | None = None
        self.shape: tuple[int, ...] = tuple(self._series.shape)
        self.dtype = np.dtype(self._series.dtype).newbyteorder("=")
        try:
            _check_one_image(self._file, path.name)
            page = self._file.pages.first
            theirs = channel_axes(self._series.axes, page)
            axes = axes or _known_axes(theirs, path.name)
            self.layout = check_axes(axes, self.shape)
            self.metadata = metadata or _as_shown(
                _metadata(self._file, self.layout, path.name), page
            )
        except BaseException:
            self.close()
            raise

    def read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read one plane as (channels, Y, X)."""
        try:
            return plane.take(self.levels[0])
        except (*_DAMAGES, tifffile.TiffFileError) as error:
            raise InputError(
                f"Cannot read {plane.place}: {error}; the file may be truncated, or "
                "use a compression that is not known here."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the planes are in: an OME-TIFF may be one of a set."""
        series = self._series
        if not self._file.is_ome or series.dataoffset is not None:
            return ()
        handles = {page.parent.filehandle.path for page in series if page is not None}
        return tuple(Path(path) for path in sorted(handles))

    @property
    def levels(self) -> tuple[Any, ...]:
        """Lazy arrays of all resolution levels, the finest first."""
        if self._levels is None:
            import zarr

            self._levels = tuple(
                zarr.open(self._series.aszarr(level=level), mode="r")
                for level in range(len(self._series.levels))
            )
        return self._levels


def _check_one_image(file: tifffile.TiffFile, name: str) -> None:
    """Refuse files of several images, rather than drop all but the first."""
    if len(file.series) > 1:
        shapes = ", ".join(str(series.shape) for series in file.series[:4])
        raise InputError(
            f"{name} holds {len(file.series)} images ({shapes}); save the one to "
            "restore as a file of its own."
        )


def _known_axes(axes: str, name: str) -> str:
    if any(axis in _UNKNOWN_AXES for axis in axes):
        hint = _guessed(axes)
        raise AxesNotSaidError(
            f"{name} does not say what its axes '{axes}' are; pass them as "
            f"axes, such as {hint} (--axes {hint} on the command line).",
            len(axes),
        )
    return axes


def _guessed(axes: str) -> str:
    """Give axes that might be meant: Z, then T, then C for those that have no name."""
    unused = unused_letters(axes)
    for axis in reversed(axes):
        if axis in _UNKNOWN_AXES:
            head, _, tail = axes.rpartition(axis)
            axes = f"{head}{unused.pop(0)}{tail}"
    return axes


def _metadata(file: tifffile.TiffFile, layout: StackLayout, name: str) -> StackMetadata:
    axes = layout.axes
    if file.is_ome and file.ome_metadata:
        xml = whole_xml(file.ome_metadata, Path(file.filehandle.dirname))
        return ome_metadata(xml, axes, layout.shape, name)
    if file.is_imagej and file.imagej_metadata:
        return imagej_metadata(file.imagej_metadata, _resolution(file), axes, name)
    sizes = _resolution(file) if _is_metric(file) else {}
    # A pixel of 1 cm is what programs write that do not know better.
    sizes = {axis: size for axis, size in sizes.items() if size != 1 and axis in axes}
    return StackMetadata(axes, sizes, dict.fromkeys(sizes, "centimeter"), name=name)


def _as_shown(metadata: StackMetadata, page: Any) -> StackMetadata:
    """Add what the page says of how its values look."""
    colour = table_colour(page)
    colours = metadata.channel_colors or known_colors([colour])
    return replace(metadata, channel_colors=colours, white_is_zero=is_negative(page))


def _resolution(file: tifffile.TiffFile) -> dict[str, float]:
    """Give Y and X sizes from the resolution tags, in whatever unit."""
    tags = file.pages.first.tags
    sizes = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        if tag in tags:
            # By rights a fraction; some programs write a number.
            numerator, denominator, *_ = *np.atleast_1d(tags[tag].value), 1
            if numerator:
                sizes[axis] = denominator / numerator
    return known_sizes(sizes)


def _is_metric(file: tifffile.TiffFile) -> bool:
    """Tell whether resolutions are in centimetres; inches are those of a printer."""
    tags = file.pages.first.tags
    return "ResolutionUnit" in tags and int(tags["ResolutionUnit"].value) == 3
