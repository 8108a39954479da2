"""An output while it is made: a folder beside the place where it will be.

``out.ome.zarr.unfinished/`` holds the image under its own name, the journal and the
job. No reader can take it for the finished output, which appears in one step.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffir_core._folder_lock import FolderLock
from diffir_core._whole_files import remove_abandoned
from diffir_core.stacks.durability import sync_file
from diffir_core.stacks.jobs import says_the_same

SUFFIX = ".unfinished"


class Unfinished:
    """The folder of an unfinished output; it may or may not be there."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.folder = destination.with_name(destination.name + SUFFIX)
        self.image = self.folder / destination.name
        self.journal = self.folder / "journal.jsonl"
        self.job = self.folder / "job.yaml"
        self.finished_job = destination.with_name(destination.name + ".job.yaml")
        self.wanted_by = self.folder / "wanted-by"
        """Where workers look whether what they do is still wanted."""
        self._old = self.folder / "replaced"
        self._lock = FolderLock(
            self.folder,
            f"Another process is writing {destination.name}; wait for it or stop it.",
        )

    @property
    def is_there(self) -> bool:
        """Whether anything was begun."""
        return self.folder.is_dir()

    def lock(self) -> None:
        """Keep other processes from writing the same output; ends with this one."""
        self.folder.mkdir(exist_ok=True)
        self._lock.acquire()

    def unlock(self) -> None:
        """Let others have it."""
        self._lock.release()

    def put_back(self) -> None:
        """Put an output back that was moved away for one that never came."""
        if self._old.exists() and not self.destination.exists():
            self._old.rename(self.destination)

    def clear(self) -> None:
        """Remove what is there of the image and the journal."""
        self.journal.unlink(missing_ok=True)  # First: without it, nothing is done.
        _remove(self.image)

    def remove(self) -> None:
        """Remove the folder, unless somebody has put something of their own into it."""
        with suppress(OSError):
            self.clear()
            for path in (self.job, self._old, self.wanted_by):
                _remove(path)
            remove_abandoned(self.folder, quiet_seconds=0)
            self.folder.rmdir()

    def move_into_place(self) -> None:
        """Make it the finished output, in one step, with the job beside it.

        An old output is replaced. If this is cut short, it can be done again.
        """
        if self.image.exists():
            if self.destination.is_dir():  # A folder cannot be replaced in one step.
                _remove(self._old)
                self.destination.rename(self._old)
            os.replace(self.image, self.destination)
        if self.job.exists() and not says_the_same(self.finished_job, self.job):
            os.replace(self.job, self.finished_job)
        with suppress(OSError):
            sync_file(self.destination.parent)
        self.remove()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def described(path: Path) -> dict[str, Any] | None:
    """Say how far an unfinished output is, given its folder or its future name."""
    from diffir_core.stacks.journal import Journal

    name = path.name.removesuffix(SUFFIX)
    unfinished = Unfinished(path.with_name(name))
    if not unfinished.is_there:
        return None
    found: dict[str, Any] = {"kind": "unfinished output", "of": name}
    if unfinished.journal.exists():
        journal = Journal.load(unfinished.journal)
        done = sum(len(record.read) for record in journal.done.values())
        found |= {"planes_done": done, "planes": journal.header["planes"]}
        found["model"] = journal.header["model"]
        found["options"] = journal.header["options"]
    found["to_complete"] = "diffir restore … --resume"
    found["image"] = str(unfinished.image)
    return found
