"""Opening TIFFs, and finding out whether all they say to hold is there."""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path

import tifffile

from diffir_core.errors import InputError

_KINDS = {int(kind) for kind in tifffile.DATATYPE}


def open_whole(path: Path) -> tifffile.TiffFile:
    """Open a TIFF.

    Raises `InputError` if it is none, or if planes or tags are missing.
    """
    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError, ValueError, struct.error) as error:
        raise InputError(
            f"{path.name} is not a readable TIFF ({error}); it may be truncated."
        ) from error
    try:
        missing = _missing(file, path.stat().st_size)
    except Exception:  # tifffile raises errors of many kinds on damaged files.
        missing = "planes or tags are missing"
    if missing:
        file.close()
        raise InputError(
            f"{path.name} is truncated or damaged: {missing}; copy it again."
        )
    return file


def _missing(file: tifffile.TiffFile, size_bytes: int) -> str:
    """Say what is missing, or nothing.

    tifffile leaves out what lies beyond the end, be it tags or pages, and goes on.
    """
    count = _promised_planes(file)
    if count > 1 and not _has_planes(file, count, size_bytes):
        return f"not all of its {count} planes are there"
    if file.is_ome and file.series and (lost := _lost_planes(file.series[0])):
        return f"{lost} of {len(file.series[0])} planes are in no file that is there"
    last = file.pages[-1]
    if (
        not file.series
        or last.dataoffsets[-1] + last.databytecounts[-1] > size_bytes
        or _next_page(file) >= size_bytes
        or not _has_all_tags(file)
    ):
        return "planes or tags are missing"
    return ""


def _promised_planes(file: tifffile.TiffFile) -> int:
    """Give how many planes the first page says there are; 0 if it does not say."""
    if file.is_ome:  # Its XML speaks of planes that may lie in other files.
        return 0
    page = file.pages.first
    if file.is_imagej and file.imagej_metadata:
        sizes = {
            key: int(file.imagej_metadata.get(key, 1))
            for key in ("frames", "slices", "channels")
        }
        if page.samplesperpixel == sizes["channels"]:  # The samples of a pixel.
            sizes["channels"] = 1
        return prod(sizes.values())
    if file.is_shaped and file.series:
        return prod(file.series[0].shape) // prod(page.shape)
    return 0


def _lost_planes(series: tifffile.TiffPageSeries) -> int:
    """Count planes that the XML names, and neither this file nor its siblings have."""
    return sum(page is None for page in series) if series.dataoffset is None else 0


def _has_planes(file: tifffile.TiffFile, count: int, size_bytes: int) -> bool:
    """Tell whether planes are pages of their own, or follow the first one."""
    page = file.pages.first
    end = page.dataoffsets[0] + count * page.nbytes
    return (page.is_final and end <= size_bytes) or len(file.pages) >= count


def _next_page(file: tifffile.TiffFile) -> int:
    """Give where the last page that was found says the next one is; 0 if it is last."""
    if file.is_scanimage:  # The places of its pages are guessed where it is large.
        return 0
    handle, form = file.filehandle, file.tiff
    handle.seek(file.pages[-1].offset)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(int(tags) * form.tagsize, 1)
    (offset,) = struct.unpack(form.offsetformat, handle.read(form.offsetsize))
    return int(offset)


def _has_all_tags(file: tifffile.TiffFile) -> bool:
    """Tell whether all tags of the first page were found."""
    handle, first, form = file.filehandle, file.pages.first, file.tiff
    handle.seek(first.offset)
    (count,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    entries = [handle.read(form.tagsize) for _ in range(int(count))]
    kinds = [struct.unpack(f"{form.byteorder}2H", entry[:4])[1] for entry in entries]
    # Tags of kinds that no one knows are some vendor's, and tifffile passes them over.
    return len(first.tags) >= sum(kind in _KINDS for kind in kinds)
