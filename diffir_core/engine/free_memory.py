"""How much memory may be used: of a device, of this machine, of this process's share.

A container or a job on a cluster has a share of its machine, which the kernel holds by
ending processes. Its limits are those of control groups, one within the other, of
version 2 (`memory.max`) or 1 (`memory.limit_in_bytes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

_FREE_SHARE = 0.7
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files of a limit and of what is used, and what of that can be dropped: read files."""


def free_memory_bytes(device: torch.device) -> int | None:
    """Give the memory that may be used on a device, or None where it cannot be told."""
    if device.type == "cuda":
        return int(_FREE_SHARE * torch.cuda.mem_get_info(device)[0])
    found = [free_of_machine_bytes(), free_of_group_bytes()]
    known = [free for free in found if free is not None]
    return int(_FREE_SHARE * min(known)) if known else None


def free_of_machine_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Give what all processes of this machine may still have; None except on Linux."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def free_of_group_bytes(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Give what the control groups of this process leave; None if none has a limit."""
    found = [_left_bytes(folder) for folder in _groups(membership, root)]
    return min((left for left in found if left is not None), default=None)


def _groups(membership: Path, root: Path) -> Iterator[Path]:
    """Give the folders of this process's groups and of all around them.

    Seen from inside a container, its own group is at the root.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / controllers
        own = top / place.lstrip("/")
        yield from (one for one in (own, *own.parents) if one.is_relative_to(top))


def _left_bytes(folder: Path) -> int | None:
    for limit, used, droppable in _LIMITS:
        try:
            most = int((folder / limit).read_text(encoding="ascii"))
            now = int((folder / used).read_text(encoding="ascii"))
        except (OSError, ValueError):  # Not there, or "max".
            continue
        return max(0, most - now + _statistic(folder, droppable))
    return None


def _statistic(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(v) for key, v in map(str.split, lines) if key == name), 0)
