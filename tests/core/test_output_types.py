"""Types that an output cannot hold are refused before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from asking import Command

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.stacks import batch
from diffir_core.stacks.batch import restore_folder
from diffir_core.stacks.estimating import estimate

WIDE = ["uint64", "int64", "float16"]


def write(path: Path, dtype: str) -> Path:
    values = np.random.default_rng(0).poisson(50, (2, 24, 32)).astype(dtype)
    tifffile.imwrite(path, values, metadata={"axes": "ZYX"})
    return path


@pytest.mark.parametrize("dtype", WIDE)
def test_what_ome_tiff_cannot_hold_is_refused_at_once(
    tiny: Model, tmp_path: Path, dtype: str
) -> None:
    source, result = write(tmp_path / "in.tif", dtype), tmp_path / "out.ome.tif"
    with pytest.raises(InputError, match=rf"{dtype}.*output_dtype") as caught:
        diffir.restore_file(source, result, tiny, axes="ZYX")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=rf"{dtype}.*output_dtype"):
        estimate(source, tiny, axes="ZYX", destination=result)
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]
    options = diffir.RestoreOptions(output_dtype="float32")
    diffir.restore_file(source, result, tiny, axes="ZYX", options=options)
    assert tifffile.imread(result).dtype == np.float32


@pytest.mark.parametrize("dtype", WIDE)
def test_ome_zarr_holds_wide_types(tiny: Model, tmp_path: Path, dtype: str) -> None:
    source, result = write(tmp_path / "in.tif", dtype), tmp_path / "out.ome.zarr"
    diffir.restore_file(source, result, tiny, axes="ZYX")
    assert zarr.open_array(str(result / "0"), mode="r").dtype == dtype


def test_a_file_that_fails_in_any_way_does_not_stop_the_others(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        write(folder / name, "uint16")
    whole = batch.restore_file

    def failing(source: Path, *args: object, **keywords: object) -> object:
        if source.name == "a.tif":
            raise RuntimeError("something\nunforeseen")
        return whole(source, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "restore_file", failing)
    items = list(restore_folder(folder, tmp_path / "out", tiny, axes="ZYX"))
    assert [item.report is not None for item in items] == [False, True]
    assert "RuntimeError: something unforeseen" in str(items[0].error)


def test_an_output_that_cannot_be_begun_leaves_nothing_behind(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("no")

    source = write(tmp_path / "in.tif", "uint16")
    monkeypatch.setattr("diffir_core.stacks.resumable.create_sink", failing)
    with pytest.raises(RuntimeError):
        diffir.restore_file(source, tmp_path / "out.ome.zarr", tiny, axes="ZYX")
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


def test_a_folder_that_may_not_be_written_is_said_beforehand(
    tiny: Model, tmp_path: Path
) -> None:
    source, folder = write(tmp_path / "in.tif", "uint16"), tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("This user may write everywhere.")
    with pytest.raises(InputError, match="Nothing may be written in"):
        diffir.restore_file(source, folder / "out.ome.tif", tiny, axes="ZYX")


def test_estimate_and_restore_refuse_and_take_the_same(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        write(folder / name, "uint16")
    (tmp_path / "circle").symlink_to("circle")
    more = ("--model", str(tiny_file), "--axes", "ZYX")
    for source, result, message in (
        ("in/a.tif", "out.png", "Cannot write"),
        ("in/a.tif", "no/where.tif", "no folder"),
        ("in/a.tif", "in/a.tif", "is the input"),
        ("in", "in/c.tif", "is the input"),
        ("in/a.tif", f"{'n' * 240}.ome.zarr", "choose a shorter one"),
        ("in/a.tif", f"{'n' * 300}.ome.zarr", "choose a shorter one"),
        ("circle", "out.ome.zarr", "There is no file"),
    ):
        for name in ("estimate", "restore"):
            status, said = diffir_command(name, source, result, *more)
            assert status == 2, (name, source, result, said)
            assert message in said
    status, said = diffir_command("estimate", "in", "out", *more)
    assert status == 0, said
    assert "2; the first:" in said
    assert not (tmp_path / "out").exists()


def test_few_grey_levels_are_told_where_a_result_is_rounded_to_them(
    tiny: Model, tmp_path: Path, tiny_file: Path, diffir_command: Command
) -> None:
    """As photon counters write: from dark to bright, a dozen levels."""
    few = np.random.default_rng(0).poisson(4, (48, 48)).astype(np.uint8)
    for values, options, levels in (
        (few, {}, 10),
        (few, {"output_dtype": "float32"}, None),
        (few.astype(np.float32), {}, None),
        (few * np.uint16(40), {}, None),
    ):
        _, report = diffir.restore(
            values,
            tiny,
            axes="YX",
            options=diffir.RestoreOptions(**options),
            return_report=True,
        )
        assert report.rounded_to_levels == levels
    tifffile.imwrite(tmp_path / "few.tif", few, metadata={"axes": "YX"})
    words = ("restore", "few.tif", "out.tif", "--model", str(tiny_file))
    code, said = diffir_command(*words)
    assert code == 0
    assert "only 10 grey levels apart" in " ".join(said.split())
