"""Which noisy file belongs to which clean one: by name, or by a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from diffir_core.errors import InputError
from diffir_training.images._files import (
    Found,
    is_image,
    is_zarr,
    matching_images,
    without_suffix,
)
from diffir_training.images._partners import Partners, partners_in_table

_SEPARATORS = ("_", "-", ".", " ")


def find_partners(
    noisy: Path | None, clean: Path | None, table: Path | None
) -> list[Partners]:
    """Pair the images of two folders, two files, or the rows of a table.

    In folders the names must be equal but for the suffix, or the noisy one must go on
    after a separator: `cell_1.tif` and `cell_2.png` both belong to a clean `cell.tif`.
    The clean image with the longest such name is meant; those that nobody asks for are
    left out. A file against a folder is a folder of one image.
    """
    if table is not None:
        if noisy is not None or clean is not None:
            raise InputError("Give either --noisy and --clean, or --table, not both.")
        return partners_in_table(table)
    if noisy is None or clean is None:
        raise InputError("Give both --noisy and --clean, or a --table of pairs.")
    found = _images(noisy)
    if _is_one(noisy) and _is_one(clean):
        return [Partners(noisy, clean)]
    clean_of = _by_name(_images(clean))
    return [Partners(one.path, _partner(one, clean_of, clean)) for one in found]


def _is_one(path: Path) -> bool:
    return is_image(path) or is_zarr(path)


def _images(path: Path) -> list[Found]:
    """List the images of a folder, or the one that the path names."""
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check its name.")
    if _is_one(path):
        return [Found(path, (without_suffix(path.name),))]
    if path.is_file():
        raise InputError(
            f"{path} is no image of a type that is read (TIFF, Zarr, PNG, JPEG, BMP); "
            "convert it, or name a folder."
        )
    return matching_images(path, "*")


def _by_name(images: Iterable[Found]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for found in images:
        (name,) = found.stars
        if name in paths:
            raise InputError(
                f"{paths[name]} and {found.path} have the same name but for the "
                "suffix, so that it is not clear which is the clean image; leave one "
                "out or pass a --table of pairs."
            )
        paths[name] = found.path
    return paths


def _partner(noisy: Found, clean_of: Mapping[str, Path], given: Path) -> Path:
    (name,) = noisy.stars
    begins = [
        clean
        for clean in clean_of
        if name == clean or name.startswith(tuple(clean + s for s in _SEPARATORS))
    ]
    if not begins:
        raise InputError(
            f"{noisy.path.name} has no clean image of its name among those of {given}; "
            f"add '{name}', leave the noisy one out, or pass a --table of pairs."
        )
    return clean_of[max(begins, key=len)]
