"""A folder that one writer has at a time, whatever becomes of its process."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from diffir_core.errors import InputError


class FolderLock:
    """Keeps other runs out of a folder, until it is released or its process ends.

    Two runs of one process keep each other out as well. Where a disk, or Windows,
    knows no such locks, two runs at once are the user's to avoid.
    """

    def __init__(self, folder: Path, refusal: str) -> None:
        self._folder, self._refusal = folder, refusal
        self._close: weakref.finalize[[int], FolderLock] | None = None

    def acquire(self) -> None:
        """Take the folder, which is there; nothing happens if it was taken here.

        Raises
        ------
        InputError
            With the refusal as its text, if another run has it.
        """
        try:
            import fcntl
        except ImportError:
            return
        if self._close is not None:
            return
        opened = os.open(self._folder, os.O_RDONLY)
        self._close = weakref.finalize(self, os.close, opened)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise InputError(self._refusal) from error
        except OSError:  # Some network disks know no locks.
            self.release()

    def release(self) -> None:
        """Let others have the folder."""
        if self._close is not None:
            self._close()
            self._close = None
