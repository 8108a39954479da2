"""Files that are there whole, or as they were before; and folders for files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from diffir_core.errors import InputError

_OURS = re.compile(r"\.diffir-[0-9a-f]{32}\.part")
_QUIET_SECONDS = 60
"""What was written to since is not abandoned, whatever its disk says of locks."""


def write_whole(path: Path, contents: bytes) -> None:
    """Write a file in place of what is there; a failure leaves nothing behind.

    Raises
    ------
    InputError
        If `path` is a folder.
    """
    with whole_file(path) as file:
        file.write(contents)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, which takes the place of `path` if all goes well.

    Until then it has a name that nobody else gives to a file, in the same folder. What
    killed processes have left there of such files is removed.

    Raises
    ------
    InputError
        If `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    remove_abandoned(path.parent)
    temporary = path.with_name(f".diffir-{uuid4().hex}.part")
    try:
        with _created(temporary, path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _created(temporary: Path, path: Path) -> IO[bytes]:
    """Create a file and lock it; an error names `path`, which the caller knows."""
    try:
        file = temporary.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    _lock(file)
    return file


def _lock(file: IO[bytes]) -> bool:
    """Take the lock of a file, if it is free; it ends with this process."""
    try:
        import fcntl
    except ImportError:  # Windows removes no file that is open.
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # Another has it, or the disk knows no locks.
        return False
    return True


def remove_abandoned(folder: Path, quiet_seconds: float = _QUIET_SECONDS) -> None:
    """Remove what was written by processes that are no more, and by us alone."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and _is_abandoned(path, quiet_seconds):
                path.unlink(missing_ok=True)


def _is_abandoned(path: Path, quiet_seconds: float) -> bool:
    try:
        if time.time() - path.stat().st_mtime < quiet_seconds:
            return False
        with path.open("r+b") as file:
            return _lock(file)
    except OSError:  # It is gone, or another person's.
        return False


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
