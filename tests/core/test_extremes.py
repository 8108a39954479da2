"""Values far outside an image's range: hot pixels, bright spots, missing data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core._converting import converted
from diffir_core.errors import InputError
from diffir_core.intensity import (
    IntensityMapping,
    IntensityOptions,
    fit_mapping,
)
from diffir_core.stacks.extremes import MOST, excess, without_hot_pixels
from diffir_core.stacks.pyramid import halved

_HOT_VALUE = 65535.0


@pytest.fixture(scope="module")
def model() -> diffir.Model:
    return diffir.load_model("fluo-denoise")


def field(seed: int = 0, size: int = 128) -> NDArray[np.float64]:
    """Draw a dim background of 100 counts with some cells of 60 more."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 100.0)
    for _ in range(10):
        row, column = rng.uniform(0, size, 2)
        image += 60 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 50)
    return image + rng.normal(0, 6, image.shape)


def restored(image: NDArray[np.float64], model: diffir.Model) -> NDArray[np.float64]:
    result = diffir.restore(image.astype(np.float32), model, axes="YX")
    return np.asarray(result, np.float64)


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_hot_pixels_are_removed_and_leave_their_neighbours_alone(
    model: diffir.Model, noise: float
) -> None:
    clean = 100 + noise * (field() - 100)
    hot = clean.copy()
    hot[[0, 127, 40, 40, 90], [0, 64, 40, 60, 20]] = _HOT_VALUE
    change = np.abs(restored(hot, model) - restored(clean, model))
    assert change.max() < 25
    assert change.mean() < 1


def test_hot_and_dead_pixels_get_the_median_around_them_and_spots_do_not() -> None:
    mapping = IntensityMapping(offset=100.0, scale=10.0)
    values = np.full((1, 8, 8), 100, np.int32)
    values[0, 0, 0], values[0, 4, 4], values[0, 2, 6] = 9000, -9000, 130
    values[0, 6, 5:8], values[0, 2:4, 0] = 9000, 5000  # Three stay, two do not.
    mended = without_hot_pixels(values, mapping)
    expected = values.copy()
    expected[0, 0, 0] = expected[0, 4, 4] = expected[0, 2:4, 0] = 100
    assert np.array_equal(mended, expected)
    assert without_hot_pixels(expected, mapping) is expected


@pytest.mark.parametrize("deviation_pixels", [0.8, 1.3, 2.5])
@pytest.mark.parametrize("brightness", [2_000, 40_000])
def test_a_bright_spot_comes_back_as_bright_as_it_was(
    model: diffir.Model, deviation_pixels: float, brightness: float
) -> None:
    y, x = np.mgrid[:128, :128]
    distance = np.hypot(y - 64, x - 64)
    spot = brightness * np.exp(-(distance**2) / (2 * deviation_pixels**2))
    image = field() + spot
    result = restored(image, model)
    assert result[64, 64] == pytest.approx(image[64, 64], rel=0.06)
    near = distance < 6
    assert (result - 100)[near].sum() == pytest.approx(spot[near].sum(), rel=0.08)


def test_marked_pixels_keep_their_value_and_the_rest_is_finite(
    model: diffir.Model,
) -> None:
    image = field(size=256).astype(np.float32)
    lowest = np.finfo(np.float32).min
    image[100:112, 100:112] = lowest
    result = diffir.restore(image, model, axes="YX")
    assert np.isfinite(result).all()
    assert (result[106, 106] / lowest) == pytest.approx(1)
    assert abs(float(result[140:, 140:].mean()) - float(image[140:, 140:].mean())) < 3


def test_a_range_that_no_camera_has_is_refused(model: diffir.Model) -> None:
    image = field().astype(np.float32)
    image[:8] = np.finfo(np.float32).max
    with pytest.raises(diffir.errors.InputError, match=r"range from .* to 3\.4"):
        diffir.restore(image, model, axes="YX")


def test_nothing_is_given_back_within_the_range_or_where_it_was_removed() -> None:
    mapping = IntensityMapping(offset=10.0, scale=2.0)
    limit = MOST * 2.0
    values = np.array(
        [[[10.0 + limit, 10 + 3 * limit, 10 + 3 * limit, 10 - 2 * limit]]]
    )
    kept = np.array([[[MOST, MOST, 0.1, -MOST]]], np.float32)
    given = excess(values, kept, mapping, 1)
    assert given.tolist() == [[[0.0, 2 * limit, 0.0, -limit]]]
    larger = kept.repeat(2, axis=1).repeat(2, axis=2)
    assert (
        excess(values, larger, mapping, 2).tolist()
        == given.repeat(2, axis=1).repeat(2, axis=2).tolist()
    )


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_integers_do_not_wrap_around(
    model: diffir.Model, dtype: str
) -> None:
    image = np.full((32, 32), np.iinfo(dtype).max, dtype)
    image[:16] = 0
    result = diffir.restore(image, model, axes="YX")
    assert result[:8].max() < np.iinfo(dtype).max // 4
    assert result[24:].min() > np.iinfo(dtype).max // 4 * 3


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([2**62] * 4, "uint64", 2**62),
        ([2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 3], "uint64", 2**64 - 1),
        ([2**61] * 4, "int64", 2**61),
        ([-(2**63), -(2**63), -(2**63), 1 - 2**63], "int64", -(2**63)),
        ([2**63 - 1, -(2**63), 1, 2], "int64", 1),  # 2 / 4 is rounded up.
        ([2e38] * 4, "float32", np.float32(2e38)),
        ([3e38, 3e38, -3e38, -3e38], "float32", 0),
        ([1.5e308] * 4, "float64", 1.5e308),
        ([65504] * 4, "float16", 65504),
    ],
)
def test_the_levels_of_huge_values_do_not_overflow(
    values: list[float], dtype: str, expected: float
) -> None:
    plane = np.array(values, dtype).reshape(1, 2, 2)
    assert halved(plane).tolist() == [[[expected]]]
    assert halved(plane).dtype == dtype


def test_one_huge_value_changes_no_level_elsewhere() -> None:
    plane = np.full((1, 2, 4), np.finfo(np.float32).smallest_subnormal, np.float32)
    plane[:, :, :2] = 3e38
    assert halved(plane)[0, 0, 1] == plane[0, 0, 3]


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "clipped"),
    [
        (np.array([300, 5], np.uint16), "uint8", [255, 5], 1),
        (np.array([-1.0, 2.6]), "uint16", [0, 3], 1),
        (np.array([-5, 70_000], np.int32), "uint16", [0, 65535], 2),
        (np.array([200, 3], np.uint8), "int16", [200, 3], 0),
        (np.array([200, 3], np.uint8), "float32", [200, 3], 0),
    ],
)
def test_values_are_clipped_to_their_new_type_and_counted(
    values: NDArray[np.generic], dtype: str, expected: list[int], clipped: int
) -> None:
    result, count = converted(values, np.dtype(dtype))
    assert result.tolist() == expected
    assert result.dtype == dtype
    assert count == clipped


def test_copied_channels_do_not_wrap_around(model: diffir.Model) -> None:
    stack = np.stack([field() + 300, field()]).astype(np.uint16)
    options = diffir.RestoreOptions(channels=(1,), output_dtype="uint8")
    result, report = diffir.restore(
        stack, model, axes="CYX", options=options, return_report=True
    )
    assert (result[0] == 255).all()
    assert report.clipped_values >= stack[0].size


def test_percentiles_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="low_percentile 99 must be below"):
        IntensityOptions(low_percentile=99, high_percentile=1)


def test_masked_values_are_refused(model: diffir.Model) -> None:
    image = np.ma.masked_greater(field(), 150)
    with pytest.raises(
        diffir.errors.InputError, match="values of the array are masked"
    ):
        diffir.restore(image, model, axes="YX")
    nothing_masked = np.ma.MaskedArray(field())
    assert diffir.restore(nothing_masked, model, axes="YX").shape == (128, 128)


def test_an_enlarging_model_does_not_copy_channels() -> None:
    enlarging = diffir.load_model("fluo-sr-x2")
    stack = np.stack([field(), field()]).astype(np.uint16)
    options = diffir.RestoreOptions(channels=(0,))
    with pytest.raises(diffir.errors.InputError, match="enlarges images"):
        diffir.restore(stack, enlarging, axes="CYX", options=options)


def test_opacity_is_copied(model: diffir.Model) -> None:
    image = np.stack([field(seed) for seed in range(4)], -1).clip(0, 255)
    image[..., 3] = 255 * (image[..., 3] > 110)
    raw = image.astype(np.uint8)
    result = diffir.restore(raw, model, axes="YXS")
    assert np.array_equal(result[..., 3], raw[..., 3])
    assert not np.array_equal(result[..., 0], raw[..., 0])


def test_two_hot_pixels_side_by_side_are_removed(model: diffir.Model) -> None:
    image = field()
    expected = restored(image, model)
    for row, column, other in [(30, 30, 60_000.0), (60, 90, 2_000.0), (0, 20, 9_000.0)]:
        image[row, column], image[row, column + 1] = _HOT_VALUE, other
    assert np.abs(restored(image, model) - expected).max() < 25


def test_small_floats_stay_finite_and_are_counted(model: diffir.Model) -> None:
    values = np.random.default_rng(0).poisson(50, (40, 40)) * 1200.0 + 12_000
    image = np.minimum(values, 65504).astype(np.float16)
    image[::3] = 65504
    options = diffir.RestoreOptions(negative=False)
    result, report = diffir.restore(
        image, model, axes="YX", options=options, return_report=True
    )
    assert np.isfinite(result).all()
    assert report.clipped_values > 0
    kept, clipped = converted(np.array([1e300, -1e300, 2.0]), np.dtype(np.float32))
    assert kept.tolist() == [np.finfo(np.float32).max, np.finfo(np.float32).min, 2.0]
    assert clipped == 2


@pytest.mark.parametrize("worst", [[3e38], [1.7e308, -1.7e308]])
def test_a_missing_pixel_in_a_constant_image_is_refused(
    model: diffir.Model, worst: list[float]
) -> None:
    image = np.zeros((60, 60))
    image[5, : len(worst)] = worst
    with pytest.raises(InputError, match="values range from"):
        diffir.restore(image, model, axes="YX")


def test_the_range_of_small_integers_does_not_wrap_around() -> None:
    values = np.full(1000, -128, np.int8)
    values[:2] = 127
    assert fit_mapping(values) == fit_mapping(values.astype(np.int16))


def test_integers_that_would_lose_digits_are_refused(model: diffir.Model) -> None:
    image = np.random.default_rng(0).poisson(30, (32, 32)).astype(np.uint64)
    diffir.restore(image + np.uint64(2**50), model, axes="YX")
    with pytest.raises(InputError, match=r"beyond 2\^53"):
        diffir.restore(image + np.uint64(2**60), model, axes="YX")
