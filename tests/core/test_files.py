"""From file to file: pixels, axes, pixel size, units and names arrive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr

import diffir_core as diffir
from diffir_core.errors import InputError, OutputExistsError
from diffir_core.model import Model
from diffir_core.samples import sample_path
from diffir_core.stacks.provenance import provenance
from diffir_core.stacks.source import StackSource, open_source

DATA = Path(os.environ.get("DIFFIR_DATA", "../shared/data"))


def read_all(source: StackSource) -> np.ndarray:
    array = np.zeros(source.shape, source.dtype)
    for plane in source.layout.planes(1):
        plane.put(array, source.read(plane))
    return array


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_ome(path: Path, stack: np.ndarray, axes: str) -> None:
    metadata: dict[str, Any] = {
        "axes": axes,
        "PhysicalSizeX": 0.2,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.25,
        "PhysicalSizeYUnit": "µm",
    }
    if "Z" in axes:
        metadata |= {"PhysicalSizeZ": 900.0, "PhysicalSizeZUnit": "nm"}
    if "T" in axes:
        metadata |= {"TimeIncrement": 2.5, "TimeIncrementUnit": "s"}
    if "C" in axes:
        metadata["Channel"] = {"Name": ["DAPI", "GFP"]}
    tifffile.imwrite(path, stack, ome=True, metadata=metadata)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TCZYX"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_metadata_and_pixels_survive_the_way(
    identity: Model, tmp_path: Path, suffix: str, axes: str, dtype: str
) -> None:
    shape = tuple({"T": 2, "C": 2, "Z": 3, "Y": 20, "X": 24}[axis] for axis in axes)
    stack = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    write_ome(tmp_path / "in.ome.tif", stack, axes)
    source = open_source(tmp_path / "in.ome.tif")
    assert np.array_equal(read_all(source), stack)
    assert source.metadata.units["Y"] == "micrometer"

    result = tmp_path / f"out{suffix}"
    report = diffir.restore_file(tmp_path / "in.ome.tif", result, identity)
    restored = open_source(result)
    order = [restored.layout.axes.index(axis) for axis in axes]
    ours = read_all(restored).transpose(order)
    assert ours.dtype == stack.dtype
    assert np.allclose(ours, stack, atol=0.01)
    for name in ("pixel_size", "units", "channel_names"):
        ours_, theirs = getattr(restored.metadata, name), getattr(source.metadata, name)
        assert ours_ == theirs, name
    assert provenance(result) == report.model_dump(mode="json")
    restored.close()
    source.close()


def test_other_readers_understand_the_outputs(identity: Model, tmp_path: Path) -> None:
    stack = np.arange(2 * 3 * 16 * 16, dtype=np.uint16).reshape(2, 3, 16, 16)
    write_ome(tmp_path / "in.ome.tif", stack, "CZYX")
    diffir.restore_file(tmp_path / "in.ome.tif", tmp_path / "out.ome.zarr", identity)
    diffir.restore_file(tmp_path / "in.ome.tif", tmp_path / "out.ome.tif", identity)
    yaozarrs.validate_zarr_store(str(tmp_path / "out.ome.zarr"))
    attributes = dict(zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r").attrs)
    axes = attributes["ome"]["multiscales"][0]["axes"]  # type: ignore[index,call-overload]
    assert [axis["name"] for axis in axes] == ["c", "z", "y", "x"]  # type: ignore[index,union-attr,call-overload]
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert file.is_ome
        shape = dict(zip(file.series[0].axes, file.series[0].shape, strict=True))
        assert shape == {"C": 2, "Z": 3, "Y": 16, "X": 16}
        assert 'PhysicalSizeZ="900.0"' in (file.ome_metadata or "")


def test_rgb_stays_rgb(identity: Model, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb")
    diffir.restore_file(tmp_path / "in.tif", tmp_path / "out.tif", identity)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].axes == "YXS"
        assert np.array_equal(file.asarray(), image)


def test_imagej_calibration_is_kept(tmp_path: Path) -> None:
    stack = np.zeros((2, 3, 2, 16, 16), np.uint16)
    tifffile.imwrite(
        tmp_path / "ij.tif",
        stack,
        imagej=True,
        resolution=(5.0, 4.0),
        metadata={"axes": "TZCYX", "unit": "micron", "spacing": 0.7, "finterval": 3.0},
    )
    source = open_source(tmp_path / "ij.tif")
    assert source.layout.axes == "TZCYX"
    assert source.metadata.pixel_size == pytest.approx(
        {"X": 0.2, "Y": 0.25, "Z": 0.7, "T": 3.0}
    )
    assert source.metadata.units["Z"] == "micrometer"
    assert source.metadata.units["T"] == "second"
    source.close()


def test_several_images_in_a_file_are_not_dropped_silently(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as writer:
        for size in (16, 24):
            writer.write(np.zeros((size, size), np.uint8), metadata={"axes": "YX"})
    with pytest.raises(InputError, match="holds 2 images"):
        open_source(tmp_path / "two.ome.tif")


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_big_endian_files_are_restored(
    identity: Model, tmp_path: Path, suffix: str
) -> None:
    stack = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    write = dict(byteorder=">", ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "in.ome.tif", stack, **write)
    result = tmp_path / f"out{suffix}"
    diffir.restore_file(tmp_path / "in.ome.tif", result, identity)
    source = open_source(result)
    assert np.array_equal(read_all(source), stack)
    source.close()


def test_ome_zarr_0_4_is_read(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "old.zarr"), mode="w", zarr_format=2)
    stack = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8)
    array = group.create_array("s0", shape=stack.shape, dtype=stack.dtype)
    array[:] = stack
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    scale = {"type": "scale", "scale": [2.0, 0.5, 0.5]}
    datasets = [{"path": "s0", "coordinateTransformations": [scale]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": datasets, "name": "old"}
    ]
    source = open_source(tmp_path / "old.zarr")
    assert source.layout.axes == "ZYX"
    assert source.metadata.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.5}
    assert np.array_equal(read_all(source), stack)


def test_unknown_axes_are_asked_for_not_guessed(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "pages.tif", np.zeros((5, 16, 16), np.uint8), metadata=None
    )
    with pytest.raises(InputError, match="--axes"):
        open_source(tmp_path / "pages.tif")
    source = open_source(tmp_path / "pages.tif", "TYX")
    assert source.layout.axes == "TYX"
    source.close()
    zarr.save_array(str(tmp_path / "plain.zarr"), np.zeros((4, 8, 8)))
    with pytest.raises(InputError, match="--axes"):
        open_source(tmp_path / "plain.zarr")
    assert open_source(tmp_path / "plain.zarr", "ZYX").shape == (4, 8, 8)


def test_an_existing_output_is_not_touched(identity: Model, tmp_path: Path) -> None:
    for name in ("out.ome.tif", "out.ome.zarr"):
        result = tmp_path / name
        result.mkdir() if name.endswith("zarr") else result.write_text("precious")
        with pytest.raises(OutputExistsError, match="already there"):
            diffir.restore_file(sample_path("noisy"), result, identity)
        assert result.is_dir() or result.read_text() == "precious"


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_failed_run_leaves_the_old_output_and_nothing_else(
    identity: Model, tmp_path: Path, suffix: str
) -> None:
    stack = np.zeros((3, 16, 16), np.float32)
    stack[2, 0, 0] = np.inf
    tifffile.imwrite(tmp_path / "in.tif", stack, ome=True, metadata={"axes": "ZYX"})
    result = tmp_path / f"out{suffix}"
    diffir.restore_file(sample_path("noisy"), result, identity)
    before = provenance(result)
    with pytest.raises(InputError, match="NaN"):
        diffir.restore_file(tmp_path / "in.tif", result, identity, overwrite=True)
    assert provenance(result) == before
    assert names_in(tmp_path) == ["in.tif", f"out{suffix}", f"out{suffix}.job.yaml"]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_killed_run_leaves_no_output_that_looks_whole(
    tiny_file: Path, tmp_path: Path, suffix: str
) -> None:
    result = tmp_path / f"out{suffix}"
    code = (
        "import sys, time, diffir_core as diffir\n"
        "model = diffir.load_model(sys.argv[3])\n"
        "def show(step):\n"
        "    print('plane', flush=True); time.sleep(0.2)\n"
        "diffir.restore_file(sys.argv[1], sys.argv[2], model, progress=show)\n"
    )
    command = [sys.executable, "-c", code]
    command += [str(sample_path("noisy")), str(result), str(tiny_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not result.exists()
    time.sleep(0.1)
    model = diffir.load_model(tiny_file)
    with pytest.raises(OutputExistsError, match=r"unfinished.*--resume"):
        diffir.restore_file(sample_path("noisy"), result, model)
    diffir.restore_file(sample_path("noisy"), result, model, resume=True)
    assert provenance(result) is not None
    assert names_in(tmp_path) == [result.name, f"{result.name}.job.yaml"]


@pytest.mark.parametrize("keep", [4, 100, -40])
def test_truncated_images_are_refused(tmp_path: Path, keep: int) -> None:
    write_ome(tmp_path / "in.ome.tif", np.ones((3, 64, 64), np.uint16), "ZYX")
    content = (tmp_path / "in.ome.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[:keep])
    with pytest.raises(InputError, match="truncated") as caught:
        open_source(tmp_path / "cut.tif")
    assert "\n" not in str(caught.value)


def test_files_of_other_kinds_are_refused(identity: Model, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.zarr").mkdir()
    for name, message in (
        ("notes.txt", "unknown type"),
        ("empty.zarr", "not a readable Zarr"),
        ("absent.tif", "no file"),
    ):
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / name)
    for name, message in (("out.png", "Cannot write"), ("no/where.tif", "no folder")):
        with pytest.raises(InputError, match=message):
            diffir.restore_file(sample_path("noisy"), tmp_path / name, identity)


def test_real_files_of_many_kinds_open_or_explain_themselves() -> None:
    found = sorted((DATA / "test" / "clean").rglob("*.tif*"))
    files = [path for path in found if path.suffix in (".tif", ".tiff")]
    if not files:
        pytest.skip(f"no images at {DATA}; set DIFFIR_DATA")
    opened, explained = 0, []
    for path in files:
        try:
            source = open_source(path)
        except InputError as error:
            explained.append(str(error))
            continue
        plane = source.layout.planes(1)[0]
        assert source.read(plane).ndim == 3
        source.close()
        opened += 1
    assert opened > 30
    assert all("--axes" in message for message in explained), explained
