"""Where an output may go: never over what is read, nor over what is no output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from diffir_core.errors import InputError, OutputExistsError
from diffir_core.stacks.unfinished import SUFFIX, Unfinished

_TIFF = (".tif", ".tiff")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")
_TIFF_TYPES = (
    *("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"),
)
_ZARR_AXES = "TCZYX"
_TIFF_AXES = "TCZYXSAPRHE"
"""Those that OME has, and those it lets run along with one of them (`ModuloAlong`)."""
_ZARR_TYPES = (*_TIFF_TYPES, "uint64", "int64", "float16")


def names_a_file(path: Path) -> bool:
    """Tell a file's name from that of a folder, which may have dots, too."""
    return path.suffix.lower() in (*_TIFF, ".zarr")


def check_name(path: Path) -> None:
    """Refuse names of formats that cannot be written."""
    if not names_a_file(path):
        raise InputError(
            f"Cannot write '{path.name}'; name it .ome.tif, .tif or .ome.zarr."
        )


def check_destination(path: Path) -> None:
    """Refuse names of formats that cannot be written, and places that will not do."""
    check_name(path)
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; create it first.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"Nothing may be written in {path.parent}; choose another folder, or "
            "change who may write there."
        )
    _check_length(path)
    if path.is_dir() and not is_zarr(path) and any(path.iterdir()):
        raise InputError(
            f"{path} is a folder but no Zarr, and is not replaced; choose another name."
        )
    if path.suffix.lower() == ".zarr" and path.is_file():
        raise InputError(
            f"{path} is no folder, as a Zarr is, and is not replaced; choose another "
            "name."
        )


def _check_length(path: Path) -> None:
    """Refuse a name that what lies beside an output cannot have with its endings."""
    if not hasattr(os, "pathconf"):  # Windows: what counts is the whole path.
        return
    most = os.pathconf(path.parent, "PC_NAME_MAX") - len(SUFFIX)
    size = len(os.fsencode(path.name))
    if size > most:
        raise InputError(
            f"The name {path.name[:16]}… has {size} bytes, and an output in "
            f"{path.parent} may have {most}; choose a shorter one."
        )


def check_replaceable(path: Path) -> None:
    """Refuse to replace a file that only has the name of a TIFF."""
    if path.suffix.lower() in _TIFF and path.is_file() and not _may_be_tiff(path):
        raise OutputExistsError(
            f"{path} is already there, is no TIFF, and is not replaced; choose another "
            "name."
        )


def _may_be_tiff(path: Path) -> bool:
    """Tell by the first bytes; an empty file may become one."""
    with path.open("rb") as file:
        start = file.read(4)
    return not start or start in _TIFF_STARTS


def check_apart(sources: Iterable[Path], destination: Path) -> None:
    """Refuse to write over what is read, or into it; links are followed.

    Of a Zarr, or a part of it, the whole is read; of a folder of planes, its files.
    """
    places = {
        _followed(destination),
        _followed(destination.parent) / destination.name,
    }
    for source in sources:
        read = _whole(_followed(source))
        if any(_touches(place, read) for place in places) or _same(source, destination):
            raise InputError(
                f"{destination} is the input {source}, or one of them lies in the "
                "other; choose another name, or another folder."
            )


def check_type(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse a type that the format of the output cannot hold."""
    is_zarr_name = path.suffix.lower() == ".zarr"
    held, kind = (
        (_ZARR_TYPES, "OME-Zarr") if is_zarr_name else (_TIFF_TYPES, "OME-TIFF")
    )
    if dtype.name not in held:
        other = "" if is_zarr_name else "name the output .ome.zarr, or "
        raise InputError(
            f"{kind} cannot hold values of type {dtype.name}; {other}choose another "
            "type, as with output_dtype=float32 (--set output_dtype=float32 on the "
            "command line)."
        )


def check_axes_held(path: Path, axes: str) -> None:
    """Refuse axes that the format of the output has no name for."""
    is_zarr_name = path.suffix.lower() == ".zarr"
    held = _TIFF_AXES
    if is_zarr_name:  # Samples become its channels, if it has no others.
        held = _ZARR_AXES if "C" in axes else _ZARR_AXES + "S"
    if strange := [axis for axis in axes if axis not in held]:
        in_tiff = is_zarr_name and set(strange) <= set(_TIFF_AXES)
        raise InputError(
            f"{'OME-Zarr' if is_zarr_name else 'OME-TIFF'} has no axis "
            f"{' and no '.join(strange)}, and the axes are {axes}; call it Z, T or C "
            f"if one of them is free{', name the output .ome.tif' if in_tiff else ''}, "
            "or split the stack."
        )


def is_zarr(path: Path) -> bool:
    """Tell a Zarr array or group from other folders."""
    return any((path / mark).is_file() for mark in _ZARR_MARKS)


def _whole(path: Path) -> Path:
    """Give the outermost Zarr that a path lies in, or the path."""
    found = path
    for place in path.parents:
        if not is_zarr(place):
            break
        found = place
    return found


def _touches(place: Path, read: Path) -> bool:
    """Tell whether writing to a place would change what is read."""
    if place == read or place in read.parents:
        return True
    if Unfinished(place).folder in read.parents:
        return True
    if is_zarr(read):
        return read in place.parents
    return read == place.parent and read.is_dir() and place.suffix.lower() in _TIFF


def _followed(path: Path) -> Path:
    """Follow links, as far as they lead somewhere; `resolve` stops at a circle."""
    return Path(os.path.realpath(path))


def _same(one: Path, other: Path) -> bool:
    there = os.path.exists(one) and os.path.exists(other)
    return there and os.path.samefile(one, other)
