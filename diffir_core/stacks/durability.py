"""From the memory of the system to the disk: what a power cut must not undo."""

from __future__ import annotations

import os
from pathlib import Path

from diffir_core._whole_files import write_whole

_LEFTOVERS = "*.partial"


def sync_file(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) * path.is_dir()
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows keeps folders by itself.
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until all files under a folder are on the disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(place, name))
        sync_file(Path(place))


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files of a process that was killed."""
    for path in folder.rglob(_LEFTOVERS):
        path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all, durably."""
    write_whole(path, text.encode())
    sync_file(path.parent)
