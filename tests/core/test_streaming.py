"""Stacks in constant memory: order, pause, metadata, levels, jobs and estimates."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
import yaozarrs
import zarr
from asking import Command
from napari_builtins.io import read_zarr_dataset
from networks import random_network
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from test_cli import diffir as command

import diffir_core as diffir
from diffir_core import save_model
from diffir_core.engine.workers import PauseSwitch
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.samples import sample_path
from diffir_core.stacks import planning, subsampling
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.batch import restore_folder
from diffir_core.stacks.estimating import estimate
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.ordering import NearestFirst
from diffir_core.stacks.planning import prepare
from diffir_core.stacks.provenance import provenance, stored_iprs
from diffir_core.stacks.source import ArraySource, open_source
from diffir_core.stacks.statistics import StackStatistics, measure
from diffir_core.stacks.units import Unit, units_of


def noisy(shape: tuple[int, ...], dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).poisson(60, shape).astype(dtype)


def write_stack(path: Path, values: np.ndarray, axes: str, **metadata: Any) -> Path:
    tifffile.imwrite(path, values, ome=True, metadata={"axes": axes, **metadata})
    return path


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plane is a unit of its own, without having to be large."""
    monkeypatch.setattr(planning, "_BATCH_PIXELS", 1)


@pytest.mark.parametrize(
    "changes",
    [{}, {"ipr_scope": "stack", "attention_scope": "stack"}, {"memory": "90MB"}],
    ids=str,
)
def test_files_and_arrays_give_the_same_pixels(
    tiny: Model, tmp_path: Path, changes: dict[str, Any]
) -> None:
    values = noisy((2, 5, 64, 72))
    path = write_stack(tmp_path / "in.ome.tif", values, "CZYX")
    options = diffir.RestoreOptions.parse(changes)
    expected = diffir.restore(values, tiny, axes="CZYX", options=options)
    for name in ("out.ome.zarr", "out.ome.tif"):
        diffir.restore_file(path, tmp_path / name, tiny, options=options)
    ours = zarr.open_array(str(tmp_path / "out.ome.zarr/0"), mode="r")
    assert np.array_equal(np.asarray(ours[:]), expected)
    source = open_source(tmp_path / "out.ome.tif")
    for plane in source.layout.planes(1):
        where = dict(plane.position)
        assert np.array_equal(source.read(plane)[0], expected[where["C"], where["Z"]])
    source.close()


def test_a_unit_restored_elsewhere_is_the_same(tiny: Model) -> None:
    """What a cluster does: units and statistics travel, in any order."""
    values = noisy((20, 64, 72))
    options = diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")
    expected = diffir.restore(values, tiny, axes="ZYX", options=options)
    first = prepare(ArraySource(values, "ZYX"), tiny, options)
    measured = measure(first.source, first.restored_planes, first.restorer)
    travelled = StackStatistics.from_dict(measured.to_dict())
    other = prepare(ArraySource(values, "ZYX"), tiny, options, first.conditions)
    from diffir_core.engine.workers import exhaust

    for unit in reversed(other.units):
        done: Any = exhaust(other.restore(other.read(unit), travelled))
        for plane, restored in zip(unit.planes, done.planes, strict=True):
            assert np.array_equal(restored[0], expected[dict(plane.position)["Z"]])


@pytest.mark.usefixtures("small_units")
def test_the_visible_plane_comes_first_and_its_events_say_what_is_there(
    tiny: Model, tmp_path: Path
) -> None:
    path = write_stack(tmp_path / "in.ome.tif", noisy((16, 40, 48)), "ZYX")
    order = NearestFirst({"Z": 6})
    seen, result = [], tmp_path / "out.ome.zarr"
    for step in restore_file_steps(path, result, tiny, order=order):
        if step.finished_plane:
            seen.append(dict(step.finished_plane.position)["Z"])
            assert step.region == (0, 40, 0, 48)
            if len(seen) == 1:  # It can be looked at while the others are made.
                made = tmp_path / "out.ome.zarr.unfinished" / "out.ome.zarr" / "0"
                assert np.asarray(zarr.open_array(str(made), mode="r")[6]).any()
                order.look_at({"Z": 0})
    assert sorted(seen) == list(range(16))
    assert seen[0] == 6
    assert seen.index(0) < seen.index(12)  # A few were on their way already.
    straight = tmp_path / "straight.ome.zarr"
    diffir.restore_file(path, straight, tiny)
    arrays = [zarr.open_array(str(p / "0"), mode="r")[:] for p in (result, straight)]
    assert np.array_equal(*arrays)


def test_nearest_first_counts_all_axes_it_knows() -> None:
    planes = ArraySource(np.zeros((3, 4, 8, 8)), "TZYX").layout.planes(1)
    units = units_of(planes, 1)
    chosen = units[NearestFirst({"T": 2, "Z": 1, "C": 5}).choose(units)]
    assert dict(chosen.planes[0].position) == {"T": 2, "Z": 1}


def naive_choice(units: list[Unit], focus: dict[str, int]) -> int:
    """Say what is nearest, each unit asked anew."""
    distances = [
        min(
            sum(abs(i - focus[axis]) for axis, i in plane.position if axis in focus)
            for plane in unit.planes
        )
        for unit in units
    ]
    return distances.index(min(distances))


@pytest.mark.parametrize("batch", [1, 7])
def test_a_moving_focus_is_followed_unit_by_unit(batch: int) -> None:
    planes = ArraySource(np.zeros((3, 4, 5, 8, 8)), "TCZYX").layout.planes(1)
    chance, focus = np.random.default_rng(0), {"T": 1}
    order, left = NearestFirst(focus), list(units_of(planes, batch))
    while left:
        if chance.random() < 0.2:
            focus = {axis: int(chance.integers(6)) for axis in "TZQ"}
            order.look_at(focus)
        if chance.random() < 0.1:
            order.choose(left)  # What is chosen need not be taken.
        index = order.choose(left)
        assert index == naive_choice(left, focus)
        left.pop(index)


def test_the_next_of_a_hundred_thousand_units_is_found_at_once() -> None:
    stack = np.broadcast_to(np.zeros((8, 8), np.uint8), (100, 1000, 8, 8))
    left = list(units_of(ArraySource(stack, "TZYX").layout.planes(1), 1))
    order = NearestFirst({"T": 50})
    left.pop(order.choose(left))  # The first time, all places are noted down.
    started = time.monotonic()
    for step in range(200):
        if step % 20 == 0:
            order.look_at({"T": step // 20, "Z": step})
        left.pop(order.choose(left))
    assert time.monotonic() - started < 5  # Asked one by one, they took a minute.


def test_measuring_goes_on_in_steps_and_can_be_stopped(
    tiny: Model, tmp_path: Path
) -> None:
    path = write_stack(tmp_path / "in.ome.tif", noisy((70, 40, 48)), "ZYX")
    options = diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")
    result = tmp_path / "out.ome.zarr"
    phases = []
    for step in restore_file_steps(path, result, tiny, options=options):
        if step.phase not in ("checking", "measuring"):
            break
        phases.append(step.phase)
    # 64 planes are sampled, their features pooled, and the attention of 16 computed.
    assert phases.count("measuring") > 64 + 64 + 16
    switch = PauseSwitch()
    steps = restore_file_steps(
        path, result, tiny, options=options, overwrite=True, switch=switch
    )
    for number, _ in enumerate(steps):
        if number == 64 + 20:
            break
    switch.pause()
    started = time.monotonic()
    assert {next(steps).phase for _ in range(5)} == {"measuring"}
    steps.close()
    assert time.monotonic() - started < 5
    assert not result.exists()


def test_planes_that_were_sampled_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so many of their values stay, which would hold all of them as views."""
    read: list[weakref.ref[Any]] = []

    def reading(source: ArraySource, plane: PlaneIndex) -> np.ndarray:
        values = source.read(plane).copy()
        read.append(weakref.ref(values))
        return values

    monkeypatch.setattr(subsampling, "read_plane", reading)
    source = ArraySource(noisy((20, 40, 48)), "ZYX")
    steps = subsampling.take_sample_steps(source, source.layout.planes(1))
    for _ in steps:
        assert sum(plane() is not None for plane in read) <= 2


def test_a_run_pauses_and_stops_within_a_tile(tiny: Model, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "in.ome.tif", noisy((1200, 1200)), "YX")
    switch = PauseSwitch()
    steps = restore_file_steps(path, tmp_path / "out.ome.tif", tiny, switch=switch)
    while next(steps).fraction < 0.1:
        pass
    switch.pause()
    for _ in range(5):
        step = next(steps)
    held, until = step.fraction, time.monotonic() + 0.5
    while time.monotonic() < until:  # The steps go on, the work does not.
        assert next(steps).fraction == held
    switch.go_on()
    while next(steps).fraction == held:
        pass
    switch.pause()
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 2
    assert not any(t.name.startswith("diffir-") for t in threading.enumerate())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.ome.tif"]


MEMORY = """
import sys, diffir_core as diffir
model, options = diffir.load_model(sys.argv[1]), diffir.RestoreOptions.parse(
    {"memory": "300MB", "channels": (0,)}
)
diffir.restore_file(sys.argv[2], sys.argv[3], model, options=options)
status = open("/proc/self/status").read().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "suffix", [".ome.zarr", pytest.param(".ome.tif", marks=pytest.mark.slow)]
)
def test_memory_does_not_grow_with_the_stack(
    tiny_file: Path, tmp_path: Path, suffix: str
) -> None:
    """Nine planes of ten are only copied, for the sake of time.

    A tenfold stack is 118 MB larger; the allocator's arenas fill up by 15 to 28 MB
    on the way, and then no more: 400 planes took 6 to 14 MB above 100.
    """
    peaks = []
    for depth in (10, 100):
        shape = (10, depth, 256, 256)  # CZYX: 13 MB and 131 MB
        stack, out = tmp_path / f"in-{depth}.ome.tif", tmp_path / f"{depth}{suffix}"
        tifffile.imwrite(
            stack,
            iter(noisy((1, 256, 256)).repeat(10 * depth, 0)),
            shape=shape,
            dtype="uint16",
            metadata={"axes": "CZYX"},
        )
        script = [sys.executable, "-c", MEMORY, str(tiny_file), str(stack), str(out)]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) * 1024)
    assert peaks[1] < peaks[0] + 45e6, peaks
    assert peaks[1] < 300e6 + 400e6, peaks  # The budget, and what torch itself takes.


@pytest.mark.usefixtures("small_units")
def test_pixels_are_let_go_without_the_garbage_collector(
    tiny: Model, tmp_path: Path
) -> None:
    """Objects that hold each other would keep planes for as long as it likes."""
    path = write_stack(tmp_path / "in.ome.tif", noisy((5, 101, 103)), "ZYX")
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        diffir.restore_file(path, tmp_path / "out.ome.zarr", tiny)
        gc.collect()
        held = [item for o in gc.garbage for item in gc.get_referents(o)]
        kept = [item.shape for item in held if isinstance(item, np.ndarray)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not [shape for shape in kept if shape[-2:] == (101, 103)]


def test_the_result_browses_at_all_levels_and_says_where_it_is(
    identity: Model, tmp_path: Path
) -> None:
    values = noisy((2, 3, 530, 1100))
    stack = write_stack(
        tmp_path / "in.ome.tif",
        values,
        "CZYX",
        PhysicalSizeX=0.2,
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=0.25,
        PhysicalSizeYUnit="µm",
        Channel={"Name": ["DAPI", "GFP"], "Color": [65535, -16776961]},
    )
    result = tmp_path / "out.ome.zarr"
    report = diffir.restore_file(stack, result, identity)
    yaozarrs.validate_zarr_store(str(result))
    levels = [zarr.open_array(str(result / str(n)), mode="r") for n in range(3)]
    assert [a.shape[2:] for a in levels] == [(530, 1100), (265, 550), (133, 275)]
    assert levels[0].shards == (1, 1, 1024, 1536)
    assert levels[0].chunks == (1, 1, 512, 512)
    fine, coarse = np.asarray(levels[0][1, 2]), np.asarray(levels[1][1, 2])
    means = fine.reshape(265, 2, 550, 2).mean(axis=(1, 3))
    assert np.abs(coarse - means).max() <= 0.5
    first, second = open_source(result), open_source(result, level=2)
    assert first.metadata.channel_colors == ("0000FF", "FF0000")
    assert first.metadata.channel_names == ("DAPI", "GFP")
    assert second.metadata.pixel_size == pytest.approx({"Y": 1.0, "X": 0.8})
    assert second.metadata.translate == pytest.approx({"Y": 0.375, "X": 0.3})
    with pytest.raises(InputError, match="3 resolution levels"):
        open_source(result, level=3)
    attributes: Any = zarr.open_group(str(result), mode="r").attrs
    window = attributes["ome"]["omero"]["channels"][0]["window"]
    assert window["start"] == report.mappings[0].offset
    assert attributes["diffir_job"]["model_fingerprint"] == identity.fingerprint
    iprs = zarr.open_array(str(result / "diffir_iprs"), mode="r")
    own = diffir.extract_ipr(values[0, 1:2], identity, axes="ZYX")
    assert iprs.shape == (6, len(own.vector))


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_the_iprs_of_the_planes_are_in_the_file(
    tiny: Model, tmp_path: Path, suffix: str
) -> None:
    values, result = noisy((3, 40, 48)), tmp_path / f"out{suffix}"
    stack = write_stack(tmp_path / "in.ome.tif", values, "ZYX")
    diffir.restore_file(stack, result, tiny)
    found = stored_iprs(result)
    assert found is not None
    own = diffir.extract_iprs(values, tiny, axes="ZYX", along="Z")
    for vector, ipr in zip(found, own, strict=True):
        assert np.abs(vector - ipr.vector).max() < 1e-5
    shared = diffir.RestoreOptions(ipr=own[0])
    diffir.restore_file(stack, result, tiny, options=shared, overwrite=True)
    assert stored_iprs(result) is None
    assert stored_iprs(stack) is None


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_super_resolution_moves_by_half_of_what_pixels_lose(
    tmp_path: Path, suffix: str
) -> None:
    network = random_network(architecture="sr", scale=2)
    save_model(tmp_path / "sr.safetensors", network)
    model = diffir.load_model(tmp_path / "sr.safetensors")
    sizes = dict(PhysicalSizeX=0.4, PhysicalSizeXUnit="µm")
    stack = write_stack(tmp_path / "in.ome.tif", noisy((2, 20, 24)), "ZYX", **sizes)
    diffir.restore_file(stack, tmp_path / f"out{suffix}", model)
    with closing(open_source(tmp_path / f"out{suffix}")) as result:
        metadata = result.metadata
    assert metadata.pixel_size["X"] == pytest.approx(0.2)
    assert metadata.translate["X"] == pytest.approx(-0.1)


def test_others_read_what_we_write(identity: Model, tmp_path: Path) -> None:
    """ome-zarr-py and napari's own reader: same pixels, scales and names."""
    stack = write_stack(
        tmp_path / "in.ome.tif",
        noisy((2, 3, 530, 600)),
        "CZYX",
        PhysicalSizeZ=1.5,
        PhysicalSizeZUnit="µm",
        PhysicalSizeY=0.25,
        PhysicalSizeYUnit="µm",
        Channel={"Name": ["DAPI", "GFP"]},
    )
    result = tmp_path / "out.ome.zarr"
    diffir.restore_file(stack, result, identity)
    expected = open_source(result)
    planes = [expected.read(p)[0] for p in expected.layout.planes(1)]
    (node,) = Reader(parse_url(result))()
    assert [level.shape for level in node.data] == [(2, 3, 530, 600), (2, 3, 265, 300)]
    assert np.array_equal(np.asarray(node.data[0]).reshape(-1, 530, 600), planes)
    transforms = node.metadata["coordinateTransformations"]
    assert transforms[1][0]["scale"] == [1.0, 1.5, 0.5, 2.0]
    assert node.metadata["channel_names"] == ["DAPI", "GFP"]
    array, _ = read_zarr_dataset(str(result / "0"))
    assert np.array_equal(np.asarray(array).reshape(-1, 530, 600), planes)


def test_transforms_of_a_whole_ome_zarr_are_added(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    datasets = []
    for level, size in enumerate((16, 8)):
        array = group.create_array(f"s{level}", shape=(2, size, size), dtype="u2")
        array[:] = level + 1
        scale = {"type": "scale", "scale": [1.0, 2.0**level, 2.0**level]}
        datasets.append({"path": f"s{level}", "coordinateTransformations": [scale]})
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    whole = [
        {"type": "scale", "scale": [3.0, 0.5, 0.5]},
        {"type": "translation", "translation": [0.0, 10.0, 20.0]},
    ]
    image = {"version": "0.4", "axes": axes, "datasets": datasets}
    group.attrs["multiscales"] = [{**image, "coordinateTransformations": whole}]
    source = open_source(tmp_path / "a.zarr", level=1)
    assert source.metadata.pixel_size == {"Z": 3.0, "Y": 1.0, "X": 1.0}
    assert source.metadata.translate == {"Y": 10.0, "X": 20.0}
    assert (source.read(source.layout.planes(1)[0]) == 2).all()


def test_a_folder_of_planes_is_one_stack_when_it_is_said_so(
    tiny: Model, tmp_path: Path
) -> None:
    values, folder = noisy((11, 40, 48)), tmp_path / "planes"
    folder.mkdir()
    for number, plane in enumerate(values):
        tifffile.imwrite(folder / f"z{number}.tif", plane)
    (folder / "._z0.tif").write_bytes(b"of a Mac, no TIFF")
    with pytest.raises(InputError, match="--axes ZYX"):
        diffir.restore_file(folder, tmp_path / "out.ome.zarr", tiny)
    diffir.restore_file(folder, tmp_path / "out.ome.zarr", tiny, axes="ZYX")
    ours = zarr.open_array(str(tmp_path / "out.ome.zarr/0"), mode="r")
    expected = diffir.restore(values, tiny, axes="ZYX")
    assert np.array_equal(np.asarray(ours[:]), expected)
    tifffile.imwrite(folder / "z5.tif", values[5, :30])
    with pytest.raises(InputError, match=r"z5\.tif is \(30, 48\)"):
        diffir.restore_file(folder, tmp_path / "other.ome.zarr", tiny, axes="ZYX")


def test_a_folder_of_stacks_is_a_job_each(tiny: Model, tmp_path: Path) -> None:
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b"):
        write_stack(folder / f"{name}.ome.tif", noisy((2, 40, 48)), "ZYX")
    (folder / "c.tif").write_bytes(b"not a TIFF")
    items = list(restore_folder(folder, results, tiny))
    assert [item.report is not None for item in items] == [True, True, False]
    assert "c.tif" in str(items[2].error)
    assert sorted(p.name for p in results.glob("*.zarr")) == [
        "a.ome.zarr",
        "b.ome.zarr",
    ]
    again = list(restore_folder(folder, results, tiny, resume=True))
    assert [item.report for item in again[:2]] == [item.report for item in items[:2]]


def test_a_folder_of_results_may_have_a_dot_and_needs_a_place(
    tiny_file: Path, tmp_path: Path, diffir_command: Command
) -> None:
    (tmp_path / "in").mkdir()
    write_stack(tmp_path / "in" / "a.ome.tif", noisy((2, 40, 48)), "ZYX")
    (tmp_path / "notes").write_text("Mine.")
    named = "restored 2024.11.27"
    for out, status, message in (
        (named, 0, "2 planes"),
        ("absent/results", 2, "There is no folder absent; create it first."),
        ("notes", 2, "notes is a file, and the results of a folder of stacks need"),
    ):
        words = ("restore", "in", out, "--model", str(tiny_file))
        ended, said = diffir_command(*words)
        assert (ended, message in " ".join(said.split())) == (status, True), said
    assert (tmp_path / named / "a.ome.zarr").is_dir()
    assert (tmp_path / "notes").read_text() == "Mine."


def test_a_job_runs_again_from_its_file(tiny_file: Path, tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", noisy((2, 40, 48)), "ZYX")
    options, result = diffir.RestoreOptions(seed=7), tmp_path / "out.ome.zarr"
    model = diffir.load_model(tiny_file)
    report = diffir.restore_file(stack, result, model, options=options)
    job = tmp_path / "out.ome.zarr.job.yaml"
    values = yaml.safe_load(job.read_text())
    values["output"] = "again.ome.zarr"  # Beside the job, wherever it is run.
    job.write_text(yaml.safe_dump(values))
    done = command("restore", "--options", str(job), cwd=tmp_path.parent)
    assert done.returncode == 0, done.stderr
    again = provenance(tmp_path / "again.ome.zarr")
    assert again
    assert again["seed"] == 7
    assert again["model_fingerprint"] == report.model_fingerprint
    arrays = [
        zarr.open_array(str(tmp_path / f"{name}.ome.zarr/0"), mode="r")[:]
        for name in ("out", "again")
    ]
    assert np.array_equal(*arrays)
    values["model_fingerprint"] = "0" * 64
    job.write_text(yaml.safe_dump(values))
    refused = command("restore", "--options", str(job), "--overwrite")
    assert refused.returncode == 2
    assert "00000000" in refused.stderr


def test_an_estimate_says_what_it_will_be(tiny: Model, tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", noisy((6, 300, 300)), "ZYX")
    for name in ("out.ome.tif", "out.ome.zarr"):
        found = estimate(stack, tiny, destination=tmp_path / name)
        report = diffir.restore_file(stack, tmp_path / name, tiny)
        assert found.planes == report.planes == 6
        assert found.input_bytes == 6 * 300 * 300 * 2
        assert found.fits
        assert report.seconds / 6 < found.seconds < 6 * report.seconds
        made = tmp_path / name
        files = (
            [made] if made.is_file() else [p for p in made.rglob("*") if p.is_file()]
        )
        size = sum(path.stat().st_size for path in files)
        assert 0.6 * size < found.output_bytes < 1.6 * size
    asked = (str(sample_path("noisy")), str(tmp_path / "o.ome.zarr"))
    # What restoring is asked for may be asked beforehand, too.
    shown = command("estimate", *asked, "--seed", "3", "--exactness", "fast")
    assert shown.returncode == 0, shown.stderr
    for name in ("tiles", "time", "main memory", "GPU memory", "output", "free disk"):
        assert name in shown.stdout
