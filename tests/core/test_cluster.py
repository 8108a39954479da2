"""Many processes give what one gives, whoever of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from killing import contents

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.stacks import cluster, planning
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.journal import Journal
from diffir_core.stacks.unfinished import Unfinished

pytest.importorskip("distributed")
PLANES = 8
ENVIRONMENT = dict(os.environ)
DRIVER = """
from diffir_core.stacks import planning
planning._BATCH_PIXELS = 1
from diffir_core.cli import main
main()
"""


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plane is a unit of its own, without having to be large."""
    monkeypatch.setattr(planning, "_BATCH_PIXELS", 1)


@pytest.fixture(scope="module")
def crew() -> Iterator[cluster.ClusterCrew]:
    before = dict(os.environ)
    with cluster.local_crew(2) as crew:
        assert changed_since(before) <= {"PYTEST_CURRENT_TEST"}
        yield crew
    assert changed_since(before) <= {"PYTEST_CURRENT_TEST"}


def changed_since(before: dict[str, str]) -> set[str]:
    """Name the variables; a process started now would have fewer threads by some."""
    return {name for name, _ in set(os.environ.items()) ^ set(before.items())}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planes of two levels."""
    path = tmp_path_factory.mktemp("stack") / "in.ome.tif"
    values = np.random.default_rng(0).poisson(60, (PLANES, 120, 516))
    tifffile.imwrite(path, values.astype(np.uint16), ome=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture(scope="module")
def options() -> diffir.RestoreOptions:
    """All that is global about a stack is measured."""
    return diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")


@pytest.fixture(scope="module")
def whole(
    stack: Path,
    tiny: Model,
    options: diffir.RestoreOptions,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What one process makes of it."""
    result = tmp_path_factory.mktemp("whole") / "out.ome.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_BATCH_PIXELS", 1)
        diffir.restore_file(stack, result, tiny, options=options)
    return result


def pids(crew: cluster.ClusterCrew) -> list[int]:
    return list(crew.client.run(os.getpid).values())


def test_a_crew_gives_the_bytes_of_one_process(
    stack: Path, tiny: Model, tmp_path: Path, crew: cluster.ClusterCrew
) -> None:
    one, many = tmp_path / "one.ome.zarr", tmp_path / "many.ome.zarr"
    before = diffir.restore_file(stack, one, tiny)
    seen: list[Any] = []
    after = diffir.restore_file(stack, many, tiny, crew=crew, progress=seen.append)
    assert contents(many) == contents(one)
    assert sum(step.finished_plane is not None for step in seen) == PLANES
    same = ("mappings", "tiles", "clipped_values", "ipr_mean_norm", "planes", "kernels")
    assert [getattr(after, n) for n in same] == [getattr(before, n) for n in same]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "many.ome.zarr",
        "many.ome.zarr.job.yaml",
        "one.ome.zarr",
        "one.ome.zarr.job.yaml",
    ]


def test_the_command_restores_in_processes_of_this_machine(
    stack: Path, tiny_file: Path, tmp_path: Path
) -> None:
    results = []
    for extra in ([], ["--workers", "2"]):
        results.append(tmp_path / f"{len(results)}.ome.zarr")
        command = [sys.executable, "-m", "diffir_core", "restore", str(stack)]
        command += [str(results[-1]), "--model", str(tiny_file), *extra]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{PLANES} planes" in done.stdout
        assert ("waited" in done.stdout) == (not extra)
    assert contents(results[0]) == contents(results[1])


def test_a_killed_worker_is_replaced_and_its_planes_done_again(
    stack: Path,
    tiny: Model,
    options: diffir.RestoreOptions,
    whole: Path,
    tmp_path: Path,
    crew: cluster.ClusterCrew,
) -> None:
    result, killed = tmp_path / "out.ome.zarr", 0
    before = pids(crew)
    for step in restore_file_steps(stack, result, tiny, options=options, crew=crew):
        if step.planes_done >= 1 and not killed:
            killed = before[0]
            os.kill(killed, signal.SIGKILL)
    assert killed
    assert contents(result) == contents(whole)
    crew.client.wait_for_workers(2, timeout=120)
    assert killed not in pids(crew)


def test_a_killed_driver_is_resumed_by_a_crew(
    stack: Path,
    tiny: Model,
    tiny_file: Path,
    options: diffir.RestoreOptions,
    whole: Path,
    tmp_path: Path,
    crew: cluster.ClusterCrew,
) -> None:
    """Also its workers live on, with planes in hand: they must not disturb."""
    result, settings = tmp_path / "out.ome.zarr", tmp_path / "options.yaml"
    settings.write_text("ipr_scope: stack\nattention_scope: stack\n")
    arguments = ["restore", str(stack), str(result), "--model", str(tiny_file)]
    arguments += ["--options", str(settings)]
    arguments += ["--scheduler", crew.client.scheduler.address]
    place = Unfinished(result)
    command = [sys.executable, "-c", DRIVER, *arguments]
    # Not with the one thread of the worker that distributed has begun anew.
    driver = subprocess.Popen(command, env=ENVIRONMENT)
    try:
        deadline = time.monotonic() + 300
        while not place.journal.exists() or b'"unit"' not in place.journal.read_bytes():
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        driver.kill()
        driver.wait()
    assert not result.exists()
    journal = Journal.load(place.journal)
    assert journal.done
    assert journal.statistics
    report = diffir.restore_file(stack, result, tiny, resume=True, crew=crew)
    assert report.planes == PLANES
    assert contents(result) == contents(whole)
    assert not place.is_there


def test_a_cancelled_crew_is_completed_by_one_process(
    stack: Path,
    tiny: Model,
    options: diffir.RestoreOptions,
    whole: Path,
    tmp_path: Path,
    crew: cluster.ClusterCrew,
) -> None:
    result = tmp_path / "out.ome.zarr"
    steps = restore_file_steps(stack, result, tiny, options=options, crew=crew)
    for step in steps:
        if step.planes_done >= 2:
            break
    steps.close()
    assert not result.exists()
    diffir.restore_file(stack, result, tiny, resume=True)
    assert contents(result) == contents(whole)


def test_what_a_crew_cannot_do_is_one_sentence(
    stack: Path,
    tiny: Model,
    tmp_path: Path,
    crew: cluster.ClusterCrew,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"one file.*name it \.ome\.zarr"):
        diffir.restore_file(stack, tmp_path / "out.ome.tif", tiny, crew=crew)
    with (
        pytest.raises(InputError, match="No scheduler answers at 'node7:1'"),
        cluster.connected_crew("node7:1"),
    ):
        pass
    with pytest.raises(InputError, match="0 workers"), cluster.local_crew(0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_worker_that_cannot_take_part_says_why(
    stack: Path, tiny: Model, tmp_path: Path, crew: cluster.ClusterCrew
) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(Path(tiny.source).read_bytes())
    model = diffir.load_model(copy)
    copy.unlink()
    with pytest.raises(InputError, match=r"Worker tcp.*No model.*same paths"):
        diffir.restore_file(stack, tmp_path / "out.ome.zarr", model, crew=crew)


def test_a_cluster_without_workers_and_without_its_scheduler_is_told(
    stack: Path,
    tiny: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from diffir_core.stacks._cluster_local import local_cluster

    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    result = tmp_path / "out.ome.zarr"
    with (
        local_cluster(0) as empty,
        cluster.connected_crew(empty.scheduler_address) as lonely,
    ):
        steps = restore_file_steps(stack, result, tiny, crew=lonely)
        phases = [next(steps).phase]
        while phases[-5:] != ["restoring"] * 5:
            phases.append(next(steps).phase)
        assert [
            r.getMessage() for r in caplog.records if r.name == cluster.__name__
        ] == ["The scheduler has no worker; the run waits for one."]
        empty.close()
        with pytest.raises(InputError, match=r"scheduler is gone; start it again and"):
            for _ in steps:
                pass
    assert diffir.restore_file(stack, result, tiny, resume=True).planes == PLANES


def test_without_distributed_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install"), cluster.local_crew(1):
        pass
