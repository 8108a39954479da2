"""Small files that are there whole, or as they were before."""

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
