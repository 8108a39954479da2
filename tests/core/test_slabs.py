"""Chunks that are many planes deep are decoded once, and change nothing."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core import RestoreOptions
from diffir_core.engine.tiling import Tiling
from diffir_core.errors import InputError
from diffir_core.samples import sample_path
from diffir_core.stacks.axes import check_axes
from diffir_core.stacks.planning import prepare
from diffir_core.stacks.slabs import Slabs
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.work import StackWork


@pytest.fixture(scope="module")
def stack() -> NDArray[Any]:
    return np.asarray(tifffile.imread(sample_path("noisy"))[:6, :48, :64])


@pytest.fixture(scope="module")
def model() -> diffir.Model:
    return diffir.load_model("fluo-denoise")


def _counted(stack: NDArray[Any], depth: int, seen: Counter[int]) -> Any:
    def block(part: NDArray[Any], block_info: Any = None) -> NDArray[Any]:
        seen[block_info[0]["chunk-location"][0]] += 1
        return part

    lazy = da.from_array(stack, chunks=(depth, -1, -1))
    return lazy.map_blocks(block, dtype=stack.dtype, meta=stack[:0])


def test_a_deep_chunk_of_dask_is_computed_once_for_all_of_its_planes(
    stack: NDArray[Any], model: diffir.Model
) -> None:
    seen: Counter[int] = Counter()
    lazy = _counted(stack, 3, seen)
    restored = diffir.restore(lazy, model, axes="ZYX")
    assert set(seen) == {0, 1}
    assert max(seen.values()) <= 2, "once to measure, once to restore"
    assert np.array_equal(restored, diffir.restore(stack, model, axes="ZYX"))


def _zarr(stack: NDArray[Any], depth: int, path: Path) -> Path:
    array = zarr.create_array(
        path, shape=stack.shape, chunks=(depth, 16, 16), dtype=stack.dtype
    )
    array[:] = stack
    return path


def test_a_deep_zarr_is_restored_as_the_same_image_in_shallow_chunks(
    stack: NDArray[Any], model: diffir.Model, tmp_path: Path
) -> None:
    results = []
    for depth in (1, 4):
        path = _zarr(stack, depth, tmp_path / f"{depth}.zarr")
        target = tmp_path / f"{depth}.ome.zarr"
        diffir.restore_file(path, target, model, axes="ZYX")
        results.append(zarr.open(target / "0")[:])
    assert np.array_equal(*results)


def _planned(
    stack: NDArray[Any], depth: int, model: diffir.Model, memory: str, sharers: int = 1
) -> StackWork:
    lazy = da.from_array(stack, chunks=(depth, -1, -1))
    source = ArraySource(lazy, "ZYX")
    return prepare(source, model, RestoreOptions(memory=memory), sharers=sharers)


def test_the_budget_knows_of_what_is_held(
    stack: NDArray[Any], model: diffir.Model
) -> None:
    flat, deep = (
        _planned(stack, depth, model, "4GB").restorer.memory.reserved_bytes
        for depth in (1, 4)
    )
    assert deep - flat == 4 * 4 * stack[0].nbytes


@pytest.mark.parametrize("sharers", [1, 2])
def test_what_is_held_changes_no_plan_and_refuses_none(
    model: diffir.Model, sharers: int
) -> None:
    stack = np.zeros((16, 256, 256), np.float32)
    held = []
    for megabytes in range(40 * sharers, 300, 12):
        works = [
            _planned(stack, depth, model, f"{megabytes}MB", sharers)
            for depth in (1, 16)
        ]
        assert works[0].conditions == works[1].conditions
        plans = [_plan(work) for work in works]
        assert plans[0] == plans[1]
        held.append(works[1].restorer.memory.reserved_bytes)
    assert max(held) >= 4 * stack.nbytes > min(held)


def _plan(work: StackWork) -> tuple[Tiling, bool] | str:
    """Give how planes are restored, or why not."""
    try:
        plan = work.restorer.memory.of_planes(256, 256, work.conditions.batch)
    except InputError as error:
        return str(error)
    return plan.tiling, plan.in_files


def test_what_does_not_fit_is_read_plane_by_plane(stack: NDArray[Any]) -> None:
    seen: Counter[int] = Counter()
    planes = check_axes("ZYX", stack.shape).planes(1)
    source = ArraySource(_counted(stack, 3, seen), "ZYX")
    assert source.hold(planes, 100) == 0
    for number, plane in enumerate(planes):
        assert np.array_equal(source.read(plane)[0], stack[number])
    assert sum(seen.values()) == 6


def test_chunks_of_uneven_depth_and_several_axes_are_cut_rightly() -> None:
    values = np.arange(5 * 7 * 4 * 6, dtype=np.uint16).reshape(5, 7, 4, 6)
    lazy = da.from_array(values, chunks=((2, 3), (1, 4, 2), 4, (5, 1)))
    planes = check_axes("TZYX", values.shape).planes(1)
    slabs = Slabs(lazy)
    assert slabs.hold(planes, 2**20) == 4 * (3 * 4) * (4 * 6) * 2
    order = np.random.default_rng(0).permutation(len(planes))
    for number in order:
        t, z = divmod(int(number), 7)
        assert np.array_equal(slabs.take(planes[number])[0], values[t, z])


def test_chunks_that_no_two_planes_in_a_row_share_are_not_held() -> None:
    lazy = da.zeros((4, 3, 8, 8), np.uint16, chunks=(4, 1, -1, -1))
    planes = check_axes("TZYX", lazy.shape).planes(1)
    assert Slabs(lazy).hold(planes, 2**20) == 0
    along_t = sorted(planes, key=lambda plane: dict(plane.position)["Z"])
    assert Slabs(lazy).hold(along_t, 2**20) > 0


class _Named:
    """An array of another kind, whose chunks are something else."""

    def __init__(self, array: NDArray[Any], chunks: Any) -> None:
        self.array, self.chunks = array, chunks
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, selection: Any) -> NDArray[Any]:
        return self.array[selection].copy()


@pytest.mark.parametrize("chunks", [((4,), (48,), (64,)), (0, 0, 0), ((), (), ())])
def test_chunks_that_are_none_of_the_array_are_not_believed(
    stack: NDArray[Any], chunks: Any
) -> None:
    planes = check_axes("ZYX", stack.shape).planes(1)
    source = ArraySource(_Named(stack, chunks), "ZYX")
    assert source.hold(planes, 2**20) == 0
    assert np.array_equal(source.read(planes[5])[0], stack[5])


def test_a_source_goes_to_another_process(stack: NDArray[Any]) -> None:
    planes = check_axes("ZYX", stack.shape).planes(1)
    source = ArraySource(da.from_array(stack, chunks=(3, -1, -1)), "ZYX")
    assert source.hold(planes, 2**20)
    source.read(planes[4])
    there = pickle.loads(pickle.dumps(source))
    assert np.array_equal(there.read(planes[4])[0], stack[4])


def test_what_was_held_is_read_anew_by_the_next_run(stack: NDArray[Any]) -> None:
    values = stack.copy()
    planes = check_axes("ZYX", stack.shape).planes(1)
    source = ArraySource(_Named(values, (6, 48, 64)), "ZYX")
    for _ in range(2):
        values[4] += 1
        assert source.hold(planes, 2**20)
        assert np.array_equal(source.read(planes[4])[0], values[4])
