"""Tags of a BigTIFF's first page, changed so that nothing is lost on the way.

What a tag is to say is written behind the pixels and brought to the disk before the tag
points to it. A process may be killed at any moment: the pages stay readable, and doing
it again gives the same file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from diffir_core.errors import InputError

_ORDERS = {b"II": "<", b"MM": ">"}
_BIG, _ENTRY_BYTES, _ALIGNED = 43, 20, 8


class FirstPage(NamedTuple):
    """The directory of the first page."""

    order: str
    """Of bytes, as `struct` has it."""
    entries: dict[int, int]
    """Where in the file the entry of each tag is."""


class Contents(NamedTuple):
    """What a tag is to say."""

    number: int
    """Of its values, in the type that the tag has."""
    values: bytes
    """More than the eight that fit the entry itself."""


def first_page(file: IO[bytes]) -> FirstPage:
    """Read the directory of the first page.

    Raises
    ------
    InputError
        If this is no BigTIFF, or its beginning is damaged.
    """
    try:
        file.seek(0)
        order = _ORDERS[file.read(2)]
        version, _, _, start = struct.unpack(f"{order}HHHQ", file.read(14))
        file.seek(start)
        (count,) = struct.unpack(f"{order}Q", file.read(8))
        codes = [
            struct.unpack(f"{order}H", file.read(_ENTRY_BYTES)[:2])[0]
            for _ in range(min(count, 1 << 16))
        ]
    except (KeyError, struct.error) as error:
        raise InputError("The TIFF is damaged at its beginning.") from error
    if version != _BIG:
        raise InputError("The TIFF is no BigTIFF.")
    places = range(start + 8, start + 8 + _ENTRY_BYTES * len(codes), _ENTRY_BYTES)
    return FirstPage(order, dict(zip(codes, places, strict=True)))


def place_of(path: Path, code: int) -> int:
    """Give where in the file the values of a tag of the first page begin."""
    with path.open("rb") as file:
        page = first_page(file)
        file.seek(page.entries[code] + 12)
        (place,) = struct.unpack(f"{page.order}Q", file.read(8))
    return int(place)


def replace_tags(path: Path, end: int, tags: Mapping[int, Contents]) -> None:
    """Let tags of the first page say something else.

    Parameters
    ----------
    end
        The first byte behind all pixels and directories; what is there is replaced.
    tags
        By their codes; the first page must have them.
    """
    with path.open("r+b") as file:
        page, at, places = first_page(file), end, {}
        for code, contents in tags.items():
            at = -(-at // _ALIGNED) * _ALIGNED
            file.seek(at)
            file.write(contents.values)
            places[code], at = at, at + len(contents.values)
        _sync(file)
        for code, place in places.items():
            file.seek(page.entries[code] + 4)
            file.write(struct.pack(f"{page.order}QQ", tags[code].number, place))
        _sync(file)
        file.truncate(at)
        _sync(file)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
