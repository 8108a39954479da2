"""Memory that is free: no more than a container or a job of a cluster has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diffir_core.engine.free_memory import (
    free_memory_bytes,
    free_of_group_bytes,
    free_of_machine_bytes,
)

MB = 2**20


def _group(folder: Path, version: int, limit: str, used: int, files: int = 0) -> None:
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    most, now, droppable = names[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / most).write_text(f"{limit}\n")
    (folder / now).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{droppable} {files}\nslab 9\n")


@pytest.mark.parametrize("version", [1, 2])
def test_a_job_has_what_the_tightest_group_around_it_leaves(
    tmp_path: Path, version: int
) -> None:
    own = "5:memory:/slurm/job_7\n3:cpuset:/" if version == 1 else "0::/slurm/job_7"
    (tmp_path / "cgroup").write_text(f"{own}\n")
    root = tmp_path / "fs"
    top = root / "memory" if version == 1 else root
    nothing = str(2**63 - 4096) if version == 1 else "max"
    _group(top, version, nothing, 900 * MB)
    _group(top / "slurm", version, str(2000 * MB), 500 * MB)
    _group(top / "slurm" / "job_7", version, nothing, 300 * MB)
    assert free_of_group_bytes(tmp_path / "cgroup", root) == 1500 * MB
    _group(top / "slurm" / "job_7", version, str(1000 * MB), 400 * MB, 100 * MB)
    assert free_of_group_bytes(tmp_path / "cgroup", root) == 700 * MB


def test_a_container_sees_its_own_group_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/../outside\n0::/not/seen\n")
    _group(tmp_path / "fs", 2, str(512 * MB), 600 * MB)
    assert free_of_group_bytes(tmp_path / "cgroup", tmp_path / "fs") == 0


def test_where_nothing_limits_the_machine_does(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    _group(tmp_path / "fs", 2, "max", 5)
    assert free_of_group_bytes(tmp_path / "cgroup", tmp_path / "fs") is None
    assert free_of_group_bytes(tmp_path / "none", tmp_path / "fs") is None
    assert free_of_machine_bytes(tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\nMemAvailable:  2048 kB\n")
    assert free_of_machine_bytes(tmp_path / "meminfo") == 2 * MB
    free, machine = free_memory_bytes(torch.device("cpu")), free_of_machine_bytes()
    assert machine is None or (free is not None and 0 < free < machine)
