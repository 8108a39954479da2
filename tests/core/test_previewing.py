"""Previews of regions, and the map of a stack's IPRs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.ipr_map import ipr_map
from diffir_core.model import Model
from diffir_core.stacks import previewing
from diffir_core.stacks._coarse import TARGET_SECONDS, Pace, enlarged, thinned
from diffir_core.stacks.plane_iprs import PlaneIPRs
from diffir_core.stacks.previewing import Previewer, RegionPreview


def stack_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(60, shape).astype(np.uint16)


def run(steps: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def looks(steps: Generator[Any, None, None]) -> list[RegionPreview]:
    return [look for look in steps if isinstance(look, RegionPreview)]


def test_a_region_ends_as_the_restored_stack_has_it(tiny: Model) -> None:
    stack = stack_of(3, 72, 96)
    iprs, options = PlaneIPRs(stack, tiny, "ZYX"), diffir.RestoreOptions()
    previewer = Previewer(iprs)
    plane, region = iprs.plane_at((1, 5, 7)), (10, 30, 20, 60)
    found = looks(previewer.preview(plane, region, options))
    assert [look.exactness for look in found] == ["coarse", "near", "exact"]
    whole = diffir.restore(stack, tiny, axes="ZYX")
    assert np.array_equal(found[-1].restored[0], whole[1, 10:30, 20:60])
    assert np.array_equal(found[-1].original[0], stack[1, 10:30, 20:60])
    assert all(look.restored.shape == (1, 20, 40) for look in found)
    (again,) = looks(previewer.preview(plane, (0, 72, 0, 96), options))
    assert again.exactness == "exact"
    assert np.array_equal(again.restored[0], whole[1])


@pytest.mark.parametrize("scope", ["plane", "time", "stack", "region"])
def test_iprs_are_those_of_the_restoration(
    tiny: Model, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = stack_of(4, 40, 48)
    axes = "TYX" if scope == "time" else "ZYX"
    region = (8, 32, 8, 40) if scope == "region" else None
    options = diffir.RestoreOptions.parse(
        dict(ipr_scope=scope, region=region, seed=3, steps=2)
    )
    iprs = PlaneIPRs(stack, tiny, axes)
    plane = iprs.plane_at((2, 0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(iprs, "values", None)  # No pixel is looked at for the answer.
        assert iprs.known_ipr(plane, options) is None
    own = run(iprs.ipr(plane, options))
    if scope in ("plane", "time"):
        each = diffir.extract_iprs(
            stack, tiny, axes=axes, along=axes[0], seed=3, options=options
        )
        expected = each[2]
    else:
        expected = diffir.extract_ipr(stack, tiny, axes=axes, seed=3, options=options)
    assert np.array_equal(own.vector, expected.vector)
    known = iprs.twin().known_ipr(plane, options)
    assert known is not None
    assert np.array_equal(known.vector, own.vector)


def test_a_plane_too_large_for_a_look_stays_near(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "LARGEST_PLANE", 1000)
    iprs = PlaneIPRs(stack_of(64, 64), tiny, "YX")
    previewer = Previewer(iprs)
    plane, options = iprs.plane_at((0, 0)), diffir.RestoreOptions()
    found = looks(previewer.preview(plane, (0, 24, 0, 24), options))
    assert [look.exactness for look in found] == ["coarse", "near"]


def test_the_pace_keeps_a_coarse_look_in_time() -> None:
    pace = Pace(1e-6)
    assert pace.coarse_shape(300, 300) == (300, 300)
    for _ in range(20):
        pace.learn(10_000, TARGET_SECONDS)  # 10 000 pixels in time.
    rows, columns = pace.coarse_shape(1000, 500)
    assert abs(rows * columns - 10_000) < 400
    assert abs(rows - 2 * columns) < 3
    pace.learn(10_000, 2 * TARGET_SECONDS)  # Busy: half as many, from the next look on.
    rows, columns = pace.coarse_shape(1000, 500)
    assert abs(rows * columns - 5_000) < 200


def test_thinning_and_enlarging_keep_places() -> None:
    ramp = np.arange(96, dtype=np.float32)[None, None, :].repeat(64, 1)
    back = enlarged(thinned(ramp, 20, 29), 64, 96)
    assert back.shape == ramp.shape
    assert np.abs(back - ramp)[:, :, 4:-4].max() < 1.0


def iprs_of(vectors: np.ndarray) -> list[IPR]:
    return [IPR(v.astype(np.float32), "m") for v in vectors]


def test_the_map_shows_what_varies_and_finds_who_stands_out() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(0, 0.1, (30, 256))
    vectors[17] += 2.0
    found = ipr_map(iprs_of(vectors))
    assert found.outliers == [17]
    assert found.coordinates.shape == (30, 2)
    assert abs(found.coordinates[17, 0]) > 10
    assert np.allclose(found.coordinates.mean(0), 0)
    assert found.explained[0] > 0.9
    off = vectors.astype(np.float32) - vectors.astype(np.float32).mean(0)
    lengths = (off.astype(np.float64) ** 2).sum()
    assert np.isclose((found.coordinates**2).sum() / lengths, sum(found.explained))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_iprs_have_no_outlier(count: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(1, 256)).repeat(count, 0)
    vectors[-1] += 1e-7
    found = ipr_map(iprs_of(vectors))
    assert found.outliers == []
    assert np.isfinite(found.scores).all()
    odd = vectors.copy()
    odd[0] += 3
    assert ipr_map(iprs_of(np.concatenate([vectors] * 9 + [odd[:1]]))).outliers


def test_a_shared_attention_is_that_of_the_restoration(tiny: Model) -> None:
    stack = stack_of(3, 72, 96)
    options = diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")
    iprs = PlaneIPRs(stack, tiny, "ZYX")
    previewer, region = Previewer(iprs), (8, 40, 16, 90)
    *_, last = looks(previewer.preview(iprs.planes[1], region, options))
    assert last.exactness == "exact"
    expected = diffir.restore(stack, tiny, axes="ZYX", options=options)[1, 8:40, 16:90]
    assert np.abs(last.restored[0].astype(int) - expected).max() <= 1


def test_a_channel_that_is_copied_is_shown_as_it_is(tiny: Model) -> None:
    stack = stack_of(2, 40, 40)
    iprs, options = PlaneIPRs(stack, tiny, "CYX"), diffir.RestoreOptions(channels=(0,))
    (only,) = looks(Previewer(iprs).preview(iprs.planes[1], (4, 20, 8, 30), options))
    assert only.exactness == "exact"
    assert np.array_equal(only.restored[0], stack[1, 4:20, 8:30])


def test_a_look_is_the_callers_to_change(tiny: Model) -> None:
    iprs, options = PlaneIPRs(stack_of(40, 40), tiny, "YX"), diffir.RestoreOptions()
    previewer, region = Previewer(iprs), (0, 40, 0, 40)
    first, second = [], []
    first += looks(previewer.preview(iprs.planes[0], region, options))
    kept = first[-1].restored.copy()
    first[-1].restored[:] = 0
    second += looks(previewer.preview(iprs.planes[0], region, options))
    assert np.array_equal(second[-1].restored, kept)


def test_a_map_is_of_one_model() -> None:
    vector = np.zeros(256, np.float32)
    with pytest.raises(InputError, match="different models"):
        ipr_map([IPR(vector, "m"), IPR(vector, "n")])
