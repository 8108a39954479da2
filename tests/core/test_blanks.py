"""Pixels that software filled, as beside images that were turned: nothing is there."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

import diffir_core as diffir
from diffir_core.engine.workers import exhaust
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_core.stacks.blanks import Blanks, recorded
from diffir_core.stacks.plane_iprs import PlaneIPRs
from diffir_core.stacks.previewing import Previewer, RegionPreview
from diffir_core.stacks.source import ArraySource, open_source
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.subsampling import take_sample

SIDE = 128


@pytest.fixture(scope="module")
def model() -> diffir.Model:
    return diffir.load_model("fluo-denoise")


def cells(seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for row, column in rng.uniform(0, SIDE, (12, 2)):
        image += 40 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)
    return image


def camera(signal: NDArray[np.float64], offset: float) -> NDArray[np.uint16]:
    rng = np.random.default_rng(1)
    counts = rng.poisson(signal) + rng.normal(offset, 2, signal.shape)
    return np.rint(counts).clip(0).astype(np.uint16)


CORNER = np.add.outer(np.arange(SIDE), np.arange(SIDE)) < 100
"""Nothing was recorded here."""


@pytest.mark.parametrize("fill", [0, 40])
@pytest.mark.parametrize("offset", [100, 1000])
def test_what_was_recorded_is_restored_as_if_nothing_had_been_cut_off(
    model: diffir.Model, offset: int, fill: int
) -> None:
    signal = cells()
    image = camera(signal, offset)
    cut = np.where(CORNER, np.uint16(fill), image)
    result = diffir.restore(cut, model, axes="YX")
    assert np.array_equal(result[CORNER], cut[CORNER])
    inside = ~ndimage.binary_dilation(CORNER, iterations=4)
    errors = [
        float(np.sqrt(np.mean((restored - signal - offset)[inside] ** 2)))
        for restored in (result, diffir.restore(image, model, axes="YX"))
    ]
    assert errors[0] < 1.1 * errors[1]


def test_interpolated_edges_are_left_as_they_are(model: diffir.Model) -> None:
    image = camera(cells(), 500).astype(np.float32)
    turned = ndimage.rotate(image, 20, order=1, cval=0.0, mode="grid-constant")
    result, report = diffir.restore(turned, model, axes="YX", return_report=True)
    (mapping,) = report.mappings
    assert mapping.blank_below == pytest.approx(245, abs=10)
    dark = turned < mapping.blank_below
    assert 0 < np.count_nonzero(dark & (turned > 0))
    assert np.array_equal(result[dark], turned[dark])


def photons(mean: float, gain: int = 1) -> NDArray[np.uint16]:
    counts = np.random.default_rng(2).poisson(mean, (256, 256))
    return (gain * counts).astype(np.uint16)


NOTHING_IS_BLANK: dict[str, NDArray[Any]] = {
    "few photons": photons(0.02, gain=20),
    "some photons": photons(1.0, gain=20),
    "photons in cells": photons(0.01)
    + np.random.default_rng(3).poisson(cells().repeat(2, 0).repeat(2, 1)),
    "photons, as corrected for the illumination": photons(0.7)
    * np.linspace(0.8, 1.25, 256),
    "photons of a noisy detector": np.where(
        photons(0.1) > 0, np.random.default_rng(4).normal(100, 25, (256, 256)), 0
    ),
    "clipped": (photons(50).astype(int) - 40).clip(0),
    "subtracted": np.random.default_rng(0).normal(0, 3, (64, 64)).clip(0),
    "beads": 100 + 1000 * (cells() > 30) + photons(5)[:SIDE, :SIDE],
    "two values": (photons(0.5)[:64, :64] > 0).astype(np.uint8),
    "one value": np.full((64, 64), 7),
}


@pytest.mark.parametrize("name", NOTHING_IS_BLANK)
def test_dark_pixels_are_not_taken_for_empty_ones(name: str) -> None:
    assert fit_mapping(NOTHING_IS_BLANK[name]).blank_below is None


def test_single_zeros_are_told_from_a_narrow_border_in_a_large_image() -> None:
    rng = np.random.default_rng(5)
    light = np.tile(np.linspace(0.8, 1.25, 1201), (1200, 1)).astype(np.float32)
    border = rng.normal(500, 20, light.shape)
    border[:, :12] = 0
    for image, is_blank in (
        (rng.poisson(0.7, light.shape) * light, False),
        (border, True),
    ):
        source = ArraySource(image, "YX")
        sample = take_sample(source, source.layout.planes(1))
        mapping = sample.mapping(diffir.RestoreOptions(), negative=None)
        assert (mapping.blank_below is not None) == is_blank


def test_dead_pixels_and_rows_in_what_was_recorded_are_not_empty() -> None:
    values = camera(cells(), 500)
    values[:20] = 0
    mapping = fit_mapping(values)
    values[60, 60] = values[90, 70:74] = values[110] = 0
    seen = recorded(values[None], mapping)[0]
    assert np.array_equal(seen[:20], values[39:19:-1])
    assert seen[60, 60] > 400  # As a hot pixel, it has the median around it.
    back = np.ones((1, SIDE, SIDE), np.uint16)
    Blanks(values[None], mapping).put_back(back)
    assert np.array_equal(np.argwhere(back[0] == 0)[:, 0].max(), 19)


@pytest.mark.parametrize(
    ("there", "sources"),
    [
        ("0011100000", [3, 2, 2, 3, 4, 4, 3, 2, 2, 3]),
        ("1100011", [0, 1, 1, 0, 5, 5, 6]),
        ("0000010", [5, 5, 5, 5, 5, 5, 5]),
    ],
)
def test_empty_pixels_see_the_nearest_recorded_ones_mirrored(
    there: str, sources: list[int]
) -> None:
    row = np.array(
        [[100 + place if one == "1" else 0 for place, one in enumerate(there)]]
    )
    image = np.repeat(row, 4, axis=0)[None]
    image[:, 3] = 0
    seen = recorded(image, IntensityMapping(100.0, 10.0, blank_below=50.0))
    assert (seen[0] == 100 + np.array(sources)).all()


def test_planes_that_are_empty_altogether_stay_so_in_a_file(
    model: diffir.Model, tmp_path: Path
) -> None:
    planes = [camera(cells(seed), 300) for seed in range(3)]
    stack = np.stack([0 * planes[0], *planes, 0 * planes[0]])
    stack[2] = np.where(CORNER, 0, stack[2])
    source, target = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    tifffile.imwrite(source, stack, metadata={"axes": "ZYX"})
    report = diffir.restore_file(source, target, model)
    written = tifffile.imread(target)
    assert np.array_equal(written[[0, 4]], stack[[0, 4]])
    assert np.array_equal(written == 0, stack == 0)
    assert report.mappings[0].offset > 250
    assert np.array_equal(written, diffir.restore(stack, model, axes="ZYX"))


def test_planes_that_are_empty_altogether_have_no_say_in_what_a_stack_shares(
    model: diffir.Model,
) -> None:
    planes = np.stack([camera(cells(seed), 500) for seed in range(2)])
    padded = np.concatenate([0 * planes, planes])
    options = diffir.RestoreOptions(ipr_scope="stack", attention_scope="stack")
    alone, among_others = (
        diffir.restore(stack, model, axes="ZYX", options=options)
        for stack in (planes, padded)
    )
    assert np.array_equal(among_others[2:], alone)
    assert not among_others[:2].any()
    iprs = PlaneIPRs(padded, model, "ZYX")
    shown = exhaust(iprs.ipr(iprs.plane_at((2, 0, 0)), options))
    assert np.array_equal(
        shown.vector, diffir.extract_ipr(planes, model, axes="ZYX").vector
    )


def test_statistics_keep_what_is_blank() -> None:
    mapping = IntensityMapping(100.0, 7.0, 50.5)
    statistics = StackStatistics({None: mapping}, {}, {None: 3})
    assert StackStatistics.from_dict(statistics.to_dict()) == statistics
    older = {"offset": 100.0, "scale": 7.0}
    assert IntensityMapping.from_dict(older) == IntensityMapping(100.0, 7.0)


def test_a_run_that_goes_on_finds_the_same_pixels_empty() -> None:
    for fill in np.arange(20, 22, 0.3):
        values = np.where(CORNER, fill, camera(cells(), 500))
        mapping = fit_mapping(values.astype(np.float16))
        assert mapping.blank_below is not None
        edge = np.full((1, 8, 8), mapping.blank_below, np.float16)
        kept = IntensityMapping.from_dict(mapping.to_dict())
        assert np.array_equal(recorded(edge, mapping), recorded(edge, kept))


def test_a_region_under_a_frozen_state_is_that_of_the_whole(
    model: diffir.Model,
) -> None:
    image = camera(np.tile(cells(), (1, 4)), 500)
    y, x = np.mgrid[:SIDE, : 4 * SIDE]
    image[y < 0.05 * x] = 0  # By three degrees: a row's nearest pixels are far away.
    options = diffir.RestoreOptions(output_dtype="float32")
    state = diffir.freeze(image, model, axes="YX", options=options)
    whole, part = (
        diffir.render(image, model, state, region=region, options=options)
        for region in (None, (0, 48, 330, 370))
    )
    off = np.abs(part - whole[:48, 330:370])
    assert off.max() < 1e-4 * whole.std()
    assert not part[image[:48, 330:370] == 0].any()


def test_wide_planes_are_filled_within_little_memory() -> None:
    image = np.full((1, 64, 40_000), 500, np.uint16)
    image[..., :10_000] = 0
    tracemalloc.start()
    recorded(image, IntensityMapping(450.0, 100.0, blank_below=250.0))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * image.nbytes


def test_a_larger_result_has_empty_pixels_repeated() -> None:
    enlarging = diffir.load_model("fluo-sr-x2")
    cut = np.where(CORNER, 0, camera(cells(), 500)).astype(np.uint16)[:64, :64]
    cut[:, 40:] += 600
    result = diffir.restore(cut, enlarging, axes="YX")
    empty = (cut == 0).repeat(2, 0).repeat(2, 1)
    assert not result[empty].any()
    assert result[~empty].min() > 300


def test_samples_do_not_differ_where_nothing_is(model: diffir.Model) -> None:
    cut = np.where(CORNER, 0, camera(cells(), 500)).astype(np.uint16)
    mean, deviation = diffir.restore_samples(cut, model, axes="YX", samples=2)
    assert not mean[CORNER].any()
    assert not deviation[CORNER].any()
    assert (deviation[~CORNER] > 0).mean() > 0.99


def test_previews_show_empty_pixels_as_the_result_has_them(
    model: diffir.Model,
) -> None:
    cut = np.where(CORNER, 0, camera(cells(), 500)).astype(np.uint16)
    iprs = PlaneIPRs(cut, model, "YX")
    steps = Previewer(iprs).preview(
        iprs.plane_at((0, 0)), (20, 60, 20, 60), diffir.RestoreOptions()
    )
    looks = [step for step in steps if isinstance(step, RegionPreview)]
    assert {look.exactness for look in looks} == {"coarse", "near", "exact"}
    for look in looks:
        assert not look.restored[0][CORNER[20:60, 20:60]].any()


def test_missing_pixels_stay_missing_and_the_rest_is_restored(
    model: diffir.Model, tmp_path: Path
) -> None:
    signal = cells()
    stack = np.stack([camera(signal, 100).astype(np.float32)] * 3)
    missing = np.zeros(stack.shape, bool)
    missing[0, CORNER], missing[1, 60, 60], missing[2] = True, True, True
    holes = np.where(missing, np.float32(np.nan), stack)
    result = diffir.restore(holes, model, axes="ZYX")
    assert np.array_equal(np.isnan(result), missing)
    off = (result - signal - 100)[~missing]
    assert np.sqrt(np.mean(off**2)) < 0.35 * np.std((stack - signal - 100)[~missing])
    for target in (tmp_path / "out.ome.tif", tmp_path / "out.ome.zarr"):
        tifffile.imwrite(
            tmp_path / "in.tif", holes, imagej=True, metadata={"axes": "ZYX"}
        )
        diffir.restore_file(tmp_path / "in.tif", target, model)
        written = open_source(target)
        planes = [written.read(plane)[0] for plane in written.layout.planes(1)]
        written.close()
        assert np.array_equal(planes, result, equal_nan=True)


def test_integers_cannot_hold_missing_pixels(model: diffir.Model) -> None:
    holes = np.where(CORNER, np.nan, camera(cells(), 100)).astype(np.float32)
    options = diffir.RestoreOptions(output_dtype="uint16")
    with pytest.raises(diffir.errors.InputError, match="NaN, which uint16 cannot"):
        diffir.restore(holes, model, axes="YX", options=options)


def test_samples_keep_missing_pixels(model: diffir.Model) -> None:
    holes = np.where(CORNER, np.nan, camera(cells(), 100)).astype(np.float32)
    mean, deviation = diffir.restore_samples(holes, model, axes="YX", samples=2)
    assert np.array_equal(np.isnan(mean), CORNER)
    assert np.isfinite(deviation).all()
