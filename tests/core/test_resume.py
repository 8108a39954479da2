"""Interrupted in any way, a restoration is completed to the same bytes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from killing import contents
from networks import save_tiny

import diffir_core as diffir
from diffir_core.errors import InputError, OutputExistsError, StorageError
from diffir_core.model import Model
from diffir_core.stacks import planning
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.unfinished import Unfinished, described

PLANES = 6


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plane is a unit of its own, without having to be large."""
    monkeypatch.setattr(planning, "_BATCH_PIXELS", 1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planes of two levels."""
    path = tmp_path_factory.mktemp("stack") / "in.ome.tif"
    values = np.random.default_rng(0).poisson(60, (PLANES, 40, 516))
    tifffile.imwrite(path, values.astype(np.uint16), ome=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture(scope="module", params=[".ome.zarr", ".ome.tif"])
def whole(
    request: pytest.FixtureRequest,
    stack: Path,
    tiny: Model,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The result of an unbroken run."""
    result = tmp_path_factory.mktemp("whole") / f"out{request.param}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_BATCH_PIXELS", 1)
        diffir.restore_file(stack, result, tiny)
    return result


def interrupt(source: Path, result: Path, model: Model, planes: int = 3) -> Unfinished:
    """Close a run when some planes are written."""
    steps = restore_file_steps(source, result, model)
    for step in steps:
        if step.planes_done >= planes:
            break
    steps.close()
    assert not result.exists()
    return Unfinished(result)


def test_a_cancelled_run_is_recognised_protected_and_completed(
    stack: Path, whole: Path, tiny: Model, tmp_path: Path
) -> None:
    result = tmp_path / whole.name
    place = interrupt(stack, result, tiny)
    for path in (result, place.folder):
        about = described(path)
        assert about
        assert about["kind"] == "unfinished output"
        assert PLANES > about["planes_done"] >= 3
    with pytest.raises(OutputExistsError, match=r"unfinished.*--resume"):
        diffir.restore_file(stack, result, tiny)
    assert place.journal.exists()
    seen: list[Any] = []
    report = diffir.restore_file(stack, result, tiny, resume=True, progress=seen.append)
    written = [s.finished_plane for s in seen if s.finished_plane]
    assert len(written) == PLANES - about["planes_done"]
    assert contents(result) == contents(whole)
    assert report.planes == PLANES
    assert not place.is_there
    # Again changes nothing: a script may say --resume always.
    assert diffir.restore_file(stack, result, tiny, resume=True) == report


def test_overwrite_starts_anew(stack: Path, tiny: Model, tmp_path: Path) -> None:
    result = tmp_path / "out.ome.zarr"
    interrupt(stack, result, tiny)
    options = diffir.RestoreOptions(seed=5)
    report = diffir.restore_file(stack, result, tiny, options=options, overwrite=True)
    assert report.seed == 5
    assert not Unfinished(result).is_there


def test_other_settings_are_refused_and_named(
    stack: Path, tiny: Model, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    place = interrupt(stack, result, tiny)
    before = place.journal.read_bytes()
    with pytest.raises(InputError, match=r"options\.seed was 0 and is 3"):
        diffir.restore_file(
            stack, result, tiny, options=diffir.RestoreOptions(seed=3), resume=True
        )
    other = diffir.load_model(save_tiny(tmp_path, "other", seed=4))
    with pytest.raises(InputError, match="model was"):
        diffir.restore_file(stack, result, other, resume=True)
    values = tifffile.imread(stack)
    short = tmp_path / "short.ome.tif"
    tifffile.imwrite(short, values[:4], ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match=r"input.shape was \[6, 40, 516\]"):
        diffir.restore_file(short, result, tiny, resume=True)
    values[1, 7, 8] += 1  # Sampled or not, one value is enough.
    changed = tmp_path / "changed.ome.tif"
    tifffile.imwrite(changed, values, ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match="input has changed"):
        diffir.restore_file(changed, result, tiny, resume=True)
    assert place.journal.read_bytes() == before


def damage_chunk(place: Unfinished) -> None:
    files = sorted(p for p in place.image.rglob("c/*/*/*") if p.is_file())
    data = bytearray(files[0].read_bytes())
    data[len(data) // 2] ^= 0xFF
    files[0].write_bytes(data)


def empty_small_level(place: Unfinished) -> None:
    files = sorted(p for p in (place.image / "1" / "c").rglob("*") if p.is_file())
    files[-1].write_bytes(b"")


def remove_plane(place: Unfinished) -> None:
    files = sorted(p for p in (place.image / "0" / "c").rglob("*") if p.is_file())
    files[1].unlink()


def leave_half_a_file(place: Unfinished) -> None:
    (place.image / "0" / "c" / "0" / "0.abc.partial").write_bytes(b"half")


def damage_metadata(place: Unfinished) -> None:
    (place.image / "0" / "zarr.json").write_text("{")


def cut_journal(place: Unfinished) -> None:
    data = place.journal.read_bytes()
    place.journal.write_bytes(data[:-17])


def cut_journal_to_its_header(place: Unfinished) -> None:
    data = place.journal.read_bytes()
    place.journal.write_bytes(data[: data.index(b"\n") + 5])


def damage_a_line(place: Unfinished) -> None:
    data = place.journal.read_bytes()
    at = data.index(b'"unit"')
    place.journal.write_bytes(data[:at] + b"?" + data[at + 1 :])


def lose_the_journal(place: Unfinished) -> None:
    place.journal.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_chunk,
        empty_small_level,
        remove_plane,
        leave_half_a_file,
        damage_metadata,
        cut_journal,
        cut_journal_to_its_header,
        damage_a_line,
        lose_the_journal,
    ],
)
def test_damage_is_found_and_mended(
    damage: Callable[[Unfinished], None],
    stack: Path,
    tiny: Model,
    tmp_path: Path,
) -> None:
    whole, result = tmp_path / "whole.ome.zarr", tmp_path / "out.ome.zarr"
    diffir.restore_file(stack, whole, tiny)
    damage(interrupt(stack, result, tiny))
    diffir.restore_file(stack, result, tiny, resume=True)
    assert contents(result) == contents(whole)


def test_a_journal_without_its_header_is_not_guessed(
    stack: Path, tiny: Model, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    place = interrupt(stack, result, tiny)
    place.journal.write_bytes(place.journal.read_bytes()[:40])
    with pytest.raises(InputError, match="damaged at its beginning"):
        diffir.restore_file(stack, result, tiny, resume=True)


def run_kills(
    model: Path, stack: Path, folder: Path, suffix: str, trials: int, seed: int
) -> list[dict[str, Any]]:
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(script), str(model), str(stack), str(folder)]
    command += [suffix, str(trials), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize(
    "trials", [5, pytest.param(150, marks=[pytest.mark.slow, pytest.mark.timeout(0)])]
)
def test_a_run_killed_at_any_moment_is_completed_to_the_same_bytes(
    tiny_file: Path, stack: Path, tmp_path: Path, suffix: str, trials: int
) -> None:
    found = run_kills(tiny_file, stack, tmp_path, suffix, trials, seed=trials)
    assert len(found) == trials
    for trial in found:
        assert trial["equal"], trial
        assert trial["names"] == [f"out{suffix}", f"out{suffix}.job.yaml"], trial
    assert any(len(trial["kills"]) > 1 for trial in found)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system, or skip where that is not allowed."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not permitted")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_a_full_disk_stops_the_run_and_resuming_completes_it(
    stack: Path, tiny: Model, tmp_path: Path, suffix: str
) -> None:
    whole = tmp_path / f"whole{suffix}"
    diffir.restore_file(stack, whole, tiny)
    with small_disk(tmp_path, "1M") as disk:
        filler, result = disk / "filler", disk / f"out{suffix}"

        def act(step: RestoreProgress) -> None:
            if step.planes_done == 2 and not filler.exists():
                fill(filler)

        with pytest.raises(StorageError, match="of 6 planes are safe"):
            diffir.restore_file(stack, result, tiny, progress=act)
        filler.unlink()
        diffir.restore_file(stack, result, tiny, resume=True)
        assert contents(result) == contents(whole)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_what_cannot_fit_is_refused_before_anything_is_written(
    stack: Path, tiny: Model, tmp_path: Path
) -> None:
    with small_disk(tmp_path, "128k") as disk:
        for name in ("out.ome.zarr", "out.ome.tif"):
            with pytest.raises(InputError, match="needs about"):
                diffir.restore_file(stack, disk / name, tiny)
        assert not os.listdir(disk)


def test_a_write_that_fails_without_a_full_disk_is_resumed_too(
    stack: Path, tiny: Model, tmp_path: Path
) -> None:
    """A limit on file sizes, as a quota would do it; it needs no rights."""
    whole, result = tmp_path / "whole.ome.tif", tmp_path / "out.ome.tif"
    diffir.restore_file(stack, whole, tiny)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def act(step: RestoreProgress) -> None:
        if step.planes_done == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))

    try:
        with pytest.raises(StorageError, match="--resume"):
            diffir.restore_file(stack, result, tiny, progress=act)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    diffir.restore_file(stack, result, tiny, resume=True)
    assert contents(result) == contents(whole)


def test_two_runs_do_not_write_the_same_output(
    stack: Path, tiny: Model, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    first = restore_file_steps(stack, result, tiny)
    next(first)
    with pytest.raises(InputError, match="Another process"):
        diffir.restore_file(stack, result, tiny, resume=True)
    first.close()
