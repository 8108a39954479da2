"""Small files that are there whole, or as they were before; and folders for files."""

from __future__ import annotations

import os
from pathlib import Path

from diffir_core.errors import InputError


def write_whole(path: Path, contents: bytes) -> None:
    """Write a file in place of what is there; a failure leaves nothing behind.

    Raises
    ------
    InputError
        If `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_bytes(contents)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, unless it is there.

    Raises
    ------
    InputError
        If a file is in its way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        nearest = next(one for one in (path, *path.parents) if os.path.lexists(one))
        raise InputError(
            f"{nearest} is a file, where {path} should be a folder; name another."
        ) from error
