"""Which noisy file belongs to which clean one: by name, or by a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from diffir_core.errors import InputError
from diffir_training.images._files import Found, is_image, matching_images
from diffir_training.images._partners import Partners, partners_in_table

_SEPARATORS = ("_", "-", ".", " ")


def find_partners(
    noisy: Path | None, clean: Path | None, table: Path | None
) -> list[Partners]:
    """Pair the images of two folders, two files, or the rows of a table.

    In folders the names must be equal but for the suffix, or the noisy one must go on
    after a separator: `cell_1.tif` and `cell_2.png` both belong to a clean `cell.tif`.
    The clean image with the longest such name is meant; those that nobody asks for are
    left out.
    """
    if table is not None:
        if noisy is not None or clean is not None:
            raise InputError("Give either --noisy and --clean, or --table, not both.")
        return partners_in_table(table)
    if noisy is None or clean is None:
        raise InputError("Give both --noisy and --clean, or a --table of pairs.")
    if is_image(noisy) and is_image(clean):
        return [Partners(noisy, clean)]
    clean_of = _by_name(clean)
    return [Partners(n.path, _partner(n, clean_of, clean)) for n in _images(noisy)]


def _images(folder: Path) -> list[Found]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; check its name.")
    return matching_images(folder, "*")


def _by_name(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for found in _images(folder):
        (name,) = found.stars
        if name in paths:
            raise InputError(
                f"{paths[name].name} and {found.path.name} in {folder} have the same "
                "name but for the suffix, so that it is not clear which is the clean "
                "image; leave one out or pass a --table of pairs."
            )
        paths[name] = found.path
    return paths


def _partner(noisy: Found, clean_of: Mapping[str, Path], folder: Path) -> Path:
    (name,) = noisy.stars
    begins = [
        clean
        for clean in clean_of
        if name == clean or name.startswith(tuple(clean + s for s in _SEPARATORS))
    ]
    if not begins:
        raise InputError(
            f"{noisy.path.name} has no clean image of its name in {folder}; add "
            f"'{name}' there, leave the noisy one out, or pass a --table of pairs."
        )
    return clean_of[max(begins, key=len)]
