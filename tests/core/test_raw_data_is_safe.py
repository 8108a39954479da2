"""What is read is never written over, and nothing foreign is replaced."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from asking import Command

import diffir_core as diffir
from diffir_core.errors import DiffIRError, InputError, OutputExistsError
from diffir_core.model import Model
from diffir_core.stacks.batch import restore_folder
from diffir_core.stacks.estimating import estimate
from diffir_core.stacks.jobs import RestoreJob
from diffir_core.stacks.provenance import provenance
from diffir_core.stacks.source import open_source


def write(path: Path) -> Path:
    values = np.random.default_rng(0).poisson(50, (2, 24, 32)).astype(np.uint16)
    tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZYX"})
    return path


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture
def raw(tiny: Model, tmp_path: Path) -> Path:
    """A folder with a TIFF, a Zarr, a folder of planes and links to them."""
    folder = tmp_path / "raw"
    (folder / "planes").mkdir(parents=True)
    write(folder / "raw.tif")
    diffir.restore_file(folder / "raw.tif", folder / "raw.ome.zarr", tiny)
    for number in range(2):
        plane = np.full((24, 32), number, np.uint16)
        tifffile.imwrite(folder / "planes" / f"z{number}.tif", plane)
    (folder / "link.tif").symlink_to(folder / "raw.tif")
    (folder / "other").symlink_to(folder)
    (folder / "unfinished.ome.tif.unfinished").mkdir()
    shutil.copy(folder / "raw.tif", folder / "unfinished.ome.tif.unfinished")
    return folder


@pytest.mark.parametrize(
    ("source", "destination", "axes"),
    [
        ("raw.tif", "raw.tif", None),
        ("raw.tif", "link.tif", None),
        ("link.tif", "raw.tif", None),
        ("raw.tif", "planes/../raw.tif", None),
        ("other/raw.tif", "raw.tif", None),
        ("raw.ome.zarr", "raw.ome.zarr", None),
        ("raw.ome.zarr", "other/raw.ome.zarr", None),
        ("raw.ome.zarr", "raw.ome.zarr/0/new.ome.zarr", None),
        ("raw.ome.zarr/0", "raw.ome.zarr", "ZYX"),
        ("raw.ome.zarr/0", "raw.ome.zarr/new.ome.zarr", "ZYX"),
        ("planes", "planes/z0.tif", "ZYX"),
        ("planes", "planes/z2.tif", "ZYX"),
        ("unfinished.ome.tif.unfinished/raw.tif", "unfinished.ome.tif", None),
    ],
)
def test_the_input_is_not_overwritten_by_its_restoration(
    raw: Path, tiny: Model, source: str, destination: str, axes: str | None
) -> None:
    before = digests(raw)
    for how in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="is the input"):
            diffir.restore_file(raw / source, raw / destination, tiny, axes=axes, **how)
    with pytest.raises(InputError, match="is the input"):
        estimate(raw / source, tiny, axes=axes, destination=raw / destination)
    assert digests(raw) == before


def test_a_folder_is_not_restored_into_itself(raw: Path, tiny: Model) -> None:
    (raw / "link.tif").unlink()
    shutil.rmtree(raw / "raw.ome.zarr")
    before = digests(raw)
    for target in (raw, raw / "other"):
        with pytest.raises(InputError, match="is the input"):
            list(restore_folder(raw, target, tiny, overwrite=True))
    assert digests(raw) == before


def hold_notes(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("precious")


def be_a_file(path: Path) -> None:
    path.write_text("precious")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("out.ome.zarr", hold_notes),
        ("out.ome.zarr", be_a_file),
        ("out.ome.tif", hold_notes),
        ("out.ome.tif", be_a_file),
    ],
)
def test_overwriting_replaces_nothing_of_another_kind(
    tiny: Model, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    source, result = write(tmp_path / "raw.tif"), tmp_path / name
    make(result)
    before = digests(tmp_path)
    for how in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(
            DiffIRError, match=r"is (a folder but no Zarr|no folder|no TIFF)"
        ):
            diffir.restore_file(source, result, tiny, **how)
    assert digests(tmp_path) == before


def test_a_link_to_an_old_output_is_replaced_and_not_followed(
    tiny: Model, tmp_path: Path
) -> None:
    source, old = write(tmp_path / "raw.tif"), tmp_path / "old.ome.zarr"
    diffir.restore_file(source, old, tiny)
    before, link = digests(old), tmp_path / "link.ome.zarr"
    link.symlink_to(old)
    diffir.restore_file(source, link, tiny, overwrite=True)
    assert digests(old) == before
    assert not link.is_symlink()


def test_a_job_of_a_replaced_link_names_the_link(tiny: Model, tmp_path: Path) -> None:
    source, old = write(tmp_path / "raw.tif"), tmp_path / "old" / "old.ome.tif"
    old.parent.mkdir()
    diffir.restore_file(source, old, tiny)
    before, link = digests(old.parent), tmp_path / "link.ome.tif"
    link.symlink_to(old)
    diffir.restore_file(source, link, tiny, overwrite=True)
    job = RestoreJob.load(tmp_path / "link.ome.tif.job.yaml")
    diffir.restore_file(job.input, job.output, tiny, overwrite=True)
    assert job.output == str(link.resolve())
    assert digests(old.parent) == before


@pytest.mark.parametrize(
    "make",
    [
        be_a_file,
        hold_notes,
        lambda path: path.write_text(
            "input: a.tif\noutput: b.ome.zarr\nmodel: fluo-denoise\n# Mine.\n"
        ),
    ],
)
@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_no_run_replaces_what_is_no_job_of_its_output(
    tiny: Model, tmp_path: Path, make: Callable[[Path], None], how: dict[str, bool]
) -> None:
    source = write(tmp_path / "raw.tif")
    make(tmp_path / "out.ome.tif.job.yaml")
    before = digests(tmp_path)
    with pytest.raises(OutputExistsError, match="no job of this output; move it away"):
        diffir.restore_file(source, tmp_path / "out.ome.tif", tiny, **how)
    assert digests(tmp_path) == before


def test_a_result_that_was_moved_with_its_job_can_be_made_anew(
    tiny: Model, tmp_path: Path
) -> None:
    source = write(tmp_path / "raw.tif")
    (tmp_path / "here").mkdir()
    diffir.restore_file(source, tmp_path / "here" / "out.ome.zarr", tiny)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there" / "out.ome.zarr"
    diffir.restore_file(source, moved, tiny, overwrite=True)
    job = RestoreJob.load(tmp_path / "there" / "out.ome.zarr.job.yaml")
    assert job.output == str(moved)


@pytest.mark.parametrize("job", ["", "format: diffir-job/9\nlater: 1\n", None])
@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
def test_a_result_that_was_renamed_with_its_job_is_still_ours(
    tiny: Model, tmp_path: Path, job: str | None, how: dict[str, bool]
) -> None:
    source = write(tmp_path / "raw.tif")
    diffir.restore_file(source, tmp_path / "out.ome.tif", tiny)
    renamed = tmp_path / "final.ome.tif"
    (tmp_path / "out.ome.tif").rename(renamed)
    (tmp_path / "out.ome.tif.job.yaml").rename(tmp_path / "final.ome.tif.job.yaml")
    if job is not None:  # What a disk or a later version may have left.
        (tmp_path / "final.ome.tif.job.yaml").write_text(job)
    assert diffir.restore_file(source, renamed, tiny, **how).planes == 2


@pytest.mark.parametrize("name", ["exp::2/out.ome.zarr", "exp::out.ome.zarr"])
def test_names_with_colons_are_no_addresses(
    tiny: Model, tmp_path: Path, name: str
) -> None:
    source, result = write(tmp_path / "raw.tif"), tmp_path / name
    for folder in ("exp", "exp::2"):
        hold_notes(tmp_path / folder)
    before = digests(tmp_path)
    diffir.restore_file(source, result, tiny)
    assert before.items() <= digests(tmp_path).items()
    assert provenance(result)["planes"] == 2
    assert open_source(result).shape == (2, 24, 32)


def test_ipr_commands_write_over_nothing(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    write(tmp_path / "raw.tif")
    extract = ("ipr", "extract", "raw.tif")
    model = ("--model", str(tiny_file))
    assert diffir_command(*extract, "a.ipr.json", *model)[0] == 0
    before = digests(tmp_path)
    for arguments, message in (
        ((*extract, "raw.tif", *model, "--overwrite"), "is the input"),
        ((*extract, "raw.tif", *model), "is the input"),
        ((*extract, "other.tif", *model), ".ipr.json"),
        ((*extract, "a.ipr.json", *model), "already there"),
        (("ipr", "blend", "a.ipr.json", "a.ipr.json", "a.ipr.json"), "is the input"),
    ):
        status, said = diffir_command(*arguments)
        assert status == 2, (arguments, said)
        assert message in said
    assert digests(tmp_path) == before
    again = diffir_command(*extract, "a.ipr.json", *model, "--seed=1", "--overwrite")
    assert again[0] == 0
    assert digests(tmp_path) != before
