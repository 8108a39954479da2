"""Whatever happens to a run, its input or its output: nothing is lost or made up."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import diffir_core as diffir
from diffir_core.errors import DiffIRError, InputError, OutputExistsError
from diffir_core.model import Model
from diffir_core.stacks import _tiff_tags, planning
from diffir_core.stacks._zarr_sink import ZarrSink
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.jobs import RestoreJob
from diffir_core.stacks.source import open_source
from diffir_core.stacks.unfinished import Unfinished

PLANES = 6


@pytest.fixture(autouse=True)
def _a_plane_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_BATCH_PIXELS", 1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.ome.tif"
    values = np.random.default_rng(0).poisson(60, (PLANES, 40, 48)).astype(np.uint16)
    tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZYX"})
    return path


def pixels(path: Path) -> np.ndarray:
    opened = open_source(path)
    planes = [opened.read(plane) for plane in opened.layout.planes(1)]
    opened.close()
    return np.concatenate(planes)


def begin(path: Path, result: Path, model: Model, planes: int) -> None:
    steps = restore_file_steps(path, result, model)
    while next(steps).planes_done < planes:
        pass
    steps.close()


def test_an_input_that_vanishes_is_not_restored_as_darkness(
    tiny: Model, tmp_path: Path
) -> None:
    path, result = tmp_path / "in.zarr", tmp_path / "out.ome.zarr"
    values = np.random.default_rng(0).poisson(60, (PLANES, 40, 48)).astype(np.uint16)
    zarr.save_array(str(path), values)
    steps = restore_file_steps(path, result, tiny, axes="ZYX")
    with pytest.raises(InputError, match="no longer there"):  # noqa: PT012
        for step in steps:
            if step.planes_done == 1 and path.exists():
                path.rename(tmp_path / "elsewhere")
    assert not result.exists()
    (tmp_path / "elsewhere").rename(path)
    diffir.restore_file(path, result, tiny, axes="ZYX", resume=True)
    assert pixels(result).mean((1, 2)).min() > 50


def test_a_process_that_goes_elsewhere_writes_where_it_was_told(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).poisson(60, (PLANES, 40, 48)).astype(np.uint16)
    monkeypatch.chdir(tmp_path)
    zarr.save_array("in.zarr", values)
    (tmp_path / "elsewhere").mkdir()
    for number, _ in enumerate(
        restore_file_steps("in.zarr", "out.ome.zarr", tiny, axes="ZYX")
    ):
        if number == 3:
            os.chdir("elsewhere")
    assert list(Path().iterdir()) == []
    assert pixels(tmp_path / "out.ome.zarr").shape == values.shape


def test_workers_of_a_run_that_died_are_not_wanted_by_the_next(
    tiny: Model, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    begin(source, result, tiny, 2)
    wanted = Unfinished(result).folder / "wanted-by"
    wanted.write_text("token")
    steps = restore_file_steps(source, result, tiny, resume=True)
    next(steps)
    assert not wanted.exists()
    steps.close()


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("how", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_a_tiff_that_was_interrupted_while_finishing_is_finished(
    tiny: Model,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
    how: Any,
) -> None:
    result, calls = tmp_path / "out.ome.tif", []
    original = _tiff_tags._sync

    def sync(file: Any) -> None:
        calls.append(file)
        if len(calls) == nth:
            raise how
        original(file)

    monkeypatch.setattr(_tiff_tags, "_sync", sync)
    with pytest.raises((KeyboardInterrupt, DiffIRError)):
        diffir.restore_file(source, result, tiny)
    report = diffir.restore_file(source, result, tiny, resume=True)
    unbroken = tmp_path / "unbroken.ome.tif"
    diffir.restore_file(source, unbroken, tiny)
    assert np.array_equal(pixels(result), pixels(unbroken))
    assert report.planes == PLANES
    with tifffile.TiffFile(result) as file:
        assert len(file.pages.first.tags[65256].value) == 1 + PLANES * 256
        assert '"planes": 6' in (file.ome_metadata or "").replace("&quot;", '"')


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_an_unfinished_tiff_that_lost_its_end_is_completed(
    tiny: Model, source: Path, tmp_path: Path, share: float
) -> None:
    result, unbroken = tmp_path / "out.ome.tif", tmp_path / "unbroken.ome.tif"
    diffir.restore_file(source, unbroken, tiny)
    begin(source, result, tiny, 4)
    image = Unfinished(result).image
    os.truncate(image, int(share * image.stat().st_size))
    diffir.restore_file(source, result, tiny, resume=True)
    assert np.array_equal(pixels(result), pixels(unbroken))


def test_a_disk_that_cannot_be_read_for_now_costs_nothing(
    tiny: Model, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "out.ome.zarr"
    begin(source, result, tiny, 4)
    with monkeypatch.context() as patch:
        stale = OSError(errno.ESTALE, "Stale file handle")
        patch.setattr(ZarrSink, "attach", lambda *_: (_ for _ in ()).throw(stale))
        with pytest.raises(OSError, match="Stale"):
            diffir.restore_file(source, result, tiny, resume=True)
    steps = restore_file_steps(source, result, tiny, resume=True)
    assert next(steps).planes_done >= 4
    steps.close()


def test_an_old_output_outlives_a_second_attempt_to_replace_it(
    tiny: Model, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    diffir.restore_file(source, result, tiny)
    old = pixels(result)
    place = Unfinished(result)  # As after a kill between the two renames.
    place.folder.mkdir()
    result.rename(place.folder / "replaced")
    steps = restore_file_steps(source, result, tiny, overwrite=True)
    next(steps)
    steps.close()
    assert np.array_equal(pixels(result), old)


def test_what_somebody_put_beside_an_unfinished_output_stays(
    tiny: Model, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    steps = restore_file_steps(source, result, tiny)
    next(step for step in steps if step.planes_done)
    steps.close()
    place = Unfinished(result)
    (place.folder / "notes.txt").write_text("precious")
    diffir.restore_file(source, result, tiny, resume=True)
    assert [path.name for path in place.folder.iterdir()] == ["notes.txt"]
    (place.folder / "notes.txt").unlink()
    diffir.restore_file(source, result, tiny, overwrite=True)
    assert not place.is_there


def test_a_file_of_that_name_that_is_no_job_of_ours_is_not_replaced(
    tiny: Model, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    precious = tmp_path / "out.ome.zarr.job.yaml"
    precious.write_text("precious")
    with pytest.raises(OutputExistsError, match="no job of this output"):
        diffir.restore_file(source, result, tiny)
    assert precious.read_text() == "precious"
    text = (
        f"# By hand.\ninput: in.ome.tif\noutput: out.ome.zarr\nmodel: {tiny.source}\n"
    )
    precious.write_text(text)
    diffir.restore_file(source, result, tiny)
    assert precious.read_text() == text
    precious.write_text(text + "options: {seed: 5}\n")
    diffir.restore_file(source, result, tiny, overwrite=True)
    assert RestoreJob.load(precious).options.seed == 0


def test_a_disk_without_locks_can_be_written(
    tiny: Model, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    diffir.restore_file(source, tmp_path / "out.ome.zarr", tiny)
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out.ome.zarr",
        "out.ome.zarr.job.yaml",
    ]


def test_progress_of_a_check_goes_up_and_arrives(
    tiny: Model, source: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out.ome.zarr"
    begin(source, result, tiny, 4)
    checks = [
        step.fraction
        for step in restore_file_steps(source, result, tiny, resume=True)
        if step.phase == "checking"
    ]
    assert checks == sorted(checks)
    assert checks[0] < checks[-1] == pytest.approx(4 / PLANES, abs=0.2)
    *_, last = restore_file_steps(source, result, tiny, resume=True)
    assert (last.phase, last.fraction, last.planes_done) == ("checking", 1.0, PLANES)


def test_each_plane_of_a_tiff_has_its_own_height(tiny: Model, tmp_path: Path) -> None:
    path, result = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    values = np.random.default_rng(0).poisson(60, (3, 24, 32)).astype(np.uint16)
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeZ": 0.5,
        "PhysicalSizeZUnit": "µm",
        "Plane": {"PositionZ": [5.0, 5.5, 6.0], "PositionZUnit": ["µm"] * 3},
    }
    tifffile.imwrite(path, values, ome=True, metadata=metadata)
    diffir.restore_file(path, result, tiny)
    with tifffile.TiffFile(result) as file:
        text = file.ome_metadata or ""
    for height in ("5.0", "5.5", "6.0"):
        assert f'PositionZ="{height}"' in text
