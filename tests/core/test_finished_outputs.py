"""Resuming what is finished looks at the input, too: it must be the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_cli import diffir as command

import diffir_core as diffir
from diffir_core.errors import InputError, OutputExistsError
from diffir_core.model import Model
from diffir_core.stacks.batch import restore_folder
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.provenance import provenance

SUFFIXES = [".ome.zarr", ".ome.tif"]


def write(path: Path, seed: int = 0, shape: tuple[int, ...] = (2, 24, 32)) -> Path:
    values = np.random.default_rng(seed).poisson(50, shape).astype(np.uint16)
    tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZYX"})
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_input_than_that_of_a_finished_output_is_refused(
    tiny: Model, tmp_path: Path, suffix: str
) -> None:
    source, result = write(tmp_path / "a.ome.tif"), tmp_path / f"out{suffix}"
    report = diffir.restore_file(source, result, tiny)
    assert provenance(result) == report.model_dump(mode="json")
    larger = write(tmp_path / "b.ome.tif", shape=(3, 24, 32))
    with pytest.raises(OutputExistsError, match=r"input\.shape was \[2, 24, 32\]"):
        diffir.restore_file(larger, result, tiny, resume=True)
    values = tifffile.imread(source)
    values[1, 7, 8] += 1  # One value is enough.
    changed = tmp_path / "c.ome.tif"
    tifffile.imwrite(changed, values, ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(OutputExistsError, match="input has changed"):
        diffir.restore_file(changed, result, tiny, resume=True)
    with pytest.raises(InputError, match="no file"):
        diffir.restore_file(tmp_path / "absent.tif", result, tiny, resume=True)
    shutil.move(source, tmp_path / "moved.ome.tif")  # The same, wherever it lies.
    again = diffir.restore_file(tmp_path / "moved.ome.tif", result, tiny, resume=True)
    assert again == report


def test_looking_at_the_input_of_a_finished_output_is_seen_and_can_be_stopped(
    tiny: Model, tmp_path: Path
) -> None:
    source, result = write(tmp_path / "a.ome.tif"), tmp_path / "out.ome.zarr"
    diffir.restore_file(source, result, tiny)
    steps = restore_file_steps(source, result, tiny, resume=True)
    step = next(steps)
    assert (step.phase, step.planes) == ("checking", 2)
    steps.close()
    assert not result.with_name("out.ome.zarr.unfinished").exists()


def test_an_output_that_is_none_of_ours_is_not_taken_for_finished(
    tiny: Model, tmp_path: Path
) -> None:
    source, result = write(tmp_path / "a.ome.tif"), tmp_path / "out.ome.tif"
    result.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="already there"):
        diffir.restore_file(source, result, tiny, resume=True)
    assert result.read_bytes() == b"precious"


def test_a_changed_stack_of_a_folder_does_not_count_as_done(
    tiny: Model, tmp_path: Path
) -> None:
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write(folder / "a.tif")
    write(folder / "z.tif", seed=1)
    assert all(item.report for item in restore_folder(folder, target, tiny))
    write(folder / "z.tif", seed=2)
    items = list(restore_folder(folder, target, tiny, resume=True))
    assert [item.error is None for item in items] == [True, False]
    assert "input has changed" in str(items[1].error)


def test_two_stacks_of_one_result_are_refused_before_anything_is_done(
    tiny: Model, tmp_path: Path
) -> None:
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.ome.tif", "a.tif", "b.tif"):
        write(folder / name)
    with pytest.raises(InputError, match=r"a\.ome\.tif and a\.tif .* a\.ome\.zarr"):
        list(restore_folder(folder, target, tiny, resume=True))
    assert not target.exists()


def test_hidden_files_are_no_stacks(tiny: Model, tmp_path: Path) -> None:
    """macOS writes ._x.tif beside x.tif on foreign disks."""
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "x.tif")
    (folder / "._x.tif").write_bytes(b"\x00\x05\x16\x07")
    (folder / ".hidden.zarr").mkdir()
    items = list(restore_folder(folder, tmp_path / "out", tiny))
    assert [(item.source.name, item.error) for item in items] == [("x.tif", None)]


def test_the_command_says_one_plane(tiny_file: Path, tmp_path: Path) -> None:
    write(tmp_path / "one.tif", shape=(1, 24, 32))
    arguments = ("restore", "one.tif", "out.ome.tif", "--model", str(tiny_file))
    done = command(*arguments, cwd=tmp_path)
    assert "1 plane in" in done.stdout
    absent = command("restore", "/absent.tif", *arguments[2:], "--resume", cwd=tmp_path)
    assert absent.returncode == 2
    assert "no file" in absent.stderr
