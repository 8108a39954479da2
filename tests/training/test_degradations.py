"""The simulated camera is checked against the statistics a real one would have."""

from __future__ import annotations

import numpy as np
import pytest
from diffir_training.degradations import (
    Camera,
    CameraNoise,
    OneOf,
    ReadLimited,
    ScanNoise,
    draw_camera,
    whole_image_mapping,
)

from diffir_core.errors import InputError


def camera(**changes: float) -> Camera:
    values = dict(
        photons=100.0,
        background=0.1,
        read_noise=3.0,
        correlation_pixels=0.0,
        hot_pixels=0,
        gain=2.5,
        offset=300.0,
        full_scale=65535,
    )
    return Camera(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("gain", [0.4, 2.5, 20.0])
def test_variance_grows_with_the_mean_along_the_camera_line(gain: float) -> None:
    levels = np.linspace(0, 1, 8, dtype=np.float32)
    clean = np.repeat(levels, 40_000).reshape(8, -1)
    cam = camera(gain=gain)
    counts = cam.expose(clean, np.random.default_rng(1))
    slope, intercept = np.polyfit(counts.mean(axis=1), counts.var(axis=1), 1)
    assert slope == pytest.approx(gain, rel=0.05)
    read = (gain * 3.0) ** 2 + 1 / 12 - gain * 300.0  # Read, rounding, offset.
    assert intercept == pytest.approx(read, rel=0.1, abs=gain**2)


@pytest.mark.parametrize(
    "clipping",
    [
        {},
        dict(photons=4.0, read_noise=0.0, gain=20.0, offset=-30.0),
        dict(photons=2.0, read_noise=1.5, gain=30.0, offset=5.0),
        dict(photons=400.0, read_noise=10.0, gain=0.5, offset=60.0, full_scale=255),
        dict(photons=0.5, read_noise=0.0, gain=100.0, offset=0.0),
    ],
)
def test_mean_of_many_frames_is_the_expected_image(clipping: dict[str, float]) -> None:
    """Also where noise is cut off at 0 or at the full scale."""
    clean = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    cam, generator = camera(**clipping), np.random.default_rng(2)
    mean = np.mean([cam.expose(clean, generator) for _ in range(4000)], axis=0)
    standard_error = cam.noise_std(1.0) / np.sqrt(4000)
    assert np.abs(mean - cam.expected(clean)).max() < 4.5 * standard_error


@pytest.mark.parametrize(
    ("pixels", "low", "high"), [(0.0, -0.02, 0.02), (0.7, 0.3, 0.8)]
)
def test_only_correlated_read_noise_correlates_neighbours(
    pixels: float, low: float, high: float
) -> None:
    cam = camera(photons=1e-6, read_noise=20.0, correlation_pixels=pixels)
    counts = cam.expose(np.zeros((256, 256), np.float32), np.random.default_rng(3))
    centred = counts - counts.mean()
    lag_one = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
    assert low < lag_one < high


@pytest.mark.parametrize("correlation", [0.0, 0.12, 0.4])
def test_a_scan_correlates_all_noise_along_x_alone(correlation: float) -> None:
    cam = camera(gain=20.0, scan_correlation=correlation)
    counts = cam.expose(np.full((512, 512), 0.5, np.float32), np.random.default_rng(8))
    noise = counts - counts.mean()
    along_x = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    along_y = (noise[1:] * noise[:-1]).mean() / noise.var()
    assert along_x == pytest.approx(correlation, abs=0.01)
    assert along_y == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(cam.noise_std(0.5), rel=0.01)


def test_scans_come_as_often_as_asked() -> None:
    generator = np.random.default_rng(9)
    ranges = CameraNoise(scan_fraction=0.3, scan_correlation=(0.05, 0.15))
    drawn = [draw_camera(ranges, generator).scan_correlation for _ in range(1000)]
    assert np.mean([value > 0 for value in drawn]) == pytest.approx(0.3, abs=0.05)
    assert all(value == 0 or 0.05 <= value <= 0.15 for value in drawn)


def test_cameras_limited_by_their_reading_come_as_often_as_asked() -> None:
    generator = np.random.default_rng(5)
    limited = ReadLimited(fraction=0.3, over_shot=(2.0, 4.0), correlated_fraction=0.5)
    ranges = CameraNoise(read_limited=limited, read_noise=(0.0, 0.0))
    drawn = [draw_camera(ranges, generator) for _ in range(1000)]
    chosen = [cam for cam in drawn if cam.read_noise]
    assert 250 < len(chosen) < 350
    shot = [np.sqrt(cam.photons * (1 + cam.background)) for cam in chosen]
    over = np.array([cam.read_noise for cam in chosen]) / shot
    assert 2.0 <= over.min() < 2.1
    assert 3.9 < over.max() <= 4.0
    blurs = [cam.correlation_pixels for cam in chosen if cam.correlation_pixels]
    assert 0.4 * len(chosen) < len(blurs) < 0.6 * len(chosen)
    assert 0.4 <= min(blurs)
    assert max(blurs) <= 1.3


def test_counts_are_integers_within_the_bits_and_hot_pixels_stand_out() -> None:
    cam = camera(hot_pixels=3, full_scale=4095)
    counts = cam.expose(np.zeros((64, 64), np.float32), np.random.default_rng(4))
    assert np.array_equal(counts, np.rint(counts))
    assert 0 <= counts.min()
    assert counts.max() <= 4095
    assert 1 <= np.count_nonzero(counts > 1000) <= 3


def test_drawn_cameras_stay_in_their_ranges_and_normalise_to_model_units() -> None:
    generator = np.random.default_rng(5)
    ranges = CameraNoise(photons=(3, 500))
    for _ in range(300):
        cam = draw_camera(ranges, generator)
        assert 3 <= cam.photons <= 500
        assert cam.full_scale in (255, 4095, 65535)
        mapping = whole_image_mapping(cam, generator)
        ends = mapping.to_model(cam.expected(np.array([0.0, 1.0], np.float32)))
        assert -0.1 < ends[0] < ends[1] < 1.6


def test_draws_are_those_that_the_shipped_model_was_trained_with() -> None:
    generator = np.random.default_rng(5)
    cam = draw_camera(CameraNoise(photons=(3, 500)), generator)
    mapping = whole_image_mapping(cam, generator)
    assert (cam.photons, cam.gain) == pytest.approx((184.3809270684, 0.5566624264))
    assert (cam.read_noise, cam.offset) == pytest.approx((0.0739748143, 30.5684864))
    assert cam.correlation_pixels == pytest.approx(0.4243788554)
    assert (mapping.offset, mapping.scale) == pytest.approx((49.3764955, 107.5445686))


@pytest.mark.parametrize(
    "cut",
    [
        dict(offset=-1000.0, full_scale=255),  # Nothing is left but stray counts.
        dict(photons=3.0, gain=100.0, offset=-360.0),
        dict(photons=1e6, gain=1e-4, offset=-200.0, full_scale=255),
    ],
)
def test_a_black_level_that_cuts_the_signal_never_inverts_contrast(
    cut: dict[str, float],
) -> None:
    cam, generator = camera(**cut), np.random.default_rng(10)
    for _ in range(100):
        mapping = whole_image_mapping(cam, generator)
        assert mapping.offset == 0
        # Of the order of the noise, one count, or else of the signal.
        signal = cam.gain * cam.photons
        assert mapping.scale >= 0.69 * max(min(cam.noise_std(1.0), signal), 1.0)


@pytest.mark.parametrize(
    "ranges",
    [
        ScanNoise(black_level=(-0.3, 0)),
        CameraNoise(black_level=(-0.3, 0), hot_pixel_fraction=0),
    ],
)
def test_no_pair_is_inverted_nor_larger_than_its_noise_makes_it(
    ranges: ScanNoise | CameraNoise,
) -> None:
    clean = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    for seed in range(400):
        pair = ranges.apply(clean, np.random.default_rng(seed))
        assert pair.clean.min() >= 0
        assert np.abs(pair.noisy).max() < 60


def test_a_range_that_is_wide_enough_is_mapped_as_it_ever_was() -> None:
    """To the bit, and by as many random numbers: recipes must stay reproducible."""
    generator, same = (np.random.default_rng(11) for _ in range(2))
    for _ in range(500):
        cam = draw_camera(CameraNoise(), generator)
        draw_camera(CameraNoise(), same)
        mapping = whole_image_mapping(cam, generator)
        background = cam.gain * cam.photons * cam.background + cam.offset
        low = max(background - same.uniform(0.0, 2.5) * cam.noise_std(0.0), 0.0)
        peak = background + cam.gain * cam.photons
        high = peak + same.uniform(0.0, 2.5) * cam.noise_std(1.0)
        factor = float(np.exp(same.uniform(*np.log((0.7, 1.4)))))
        assert mapping.offset == low
        if high - low > 1 and high - low > cam.noise_std(1.0):
            assert mapping.scale == (high - low) * factor
    assert generator.random() == same.random()


def test_a_pair_is_in_the_model_units_of_one_camera() -> None:
    generator = np.random.default_rng(6)
    clean = np.linspace(0, 1, 3 * 64 * 64, dtype=np.float32).reshape(3, 64, 64)
    ranges = CameraNoise(photons=(500, 500), bits=(16,), black_level=(0.05, 0.05))
    pair = ranges.apply(clean, generator)
    slope, offset = np.polyfit(clean.ravel(), pair.clean.ravel(), 1)
    assert np.abs(pair.clean - slope * clean - offset).max() < 1e-5
    # 4 electrons of read noise and at most 500 * 1.3 photons: under 27 of 500.
    error = (pair.noisy - pair.clean) / slope
    assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size)
    assert 0 < error.std() < 27 / 500


def test_light_that_a_blur_made_negative_is_no_error() -> None:
    dark = np.full((1, 8, 8), -1e-7, np.float32)
    pair = CameraNoise(background=(0, 0)).apply(dark, np.random.default_rng(7))
    assert np.isfinite(pair.noisy).all()


def test_one_of_several_is_drawn_as_often_as_its_weight_says() -> None:
    dim = CameraNoise(photons=(1, 1), bits=(16,), hot_pixel_fraction=0)
    bright = dim.replace(photons=(1e6, 1e6), read_noise=(0, 0))
    ranges = OneOf(choices=(dim, bright), weights=(1, 3))
    generator, clean = np.random.default_rng(3), np.full((1, 32, 32), 0.5, np.float32)
    pairs = [ranges.apply(clean, generator) for _ in range(400)]
    noisy = [np.std(pair.noisy - pair.clean) > 0.1 for pair in pairs]
    assert 0.19 < np.mean(noisy) < 0.31


def test_each_choice_needs_a_weight_and_no_mask_of_its_own() -> None:
    camera = dict(kind="camera")
    with pytest.raises(ValueError, match="2 choices need as many weights, not 1"):
        OneOf.parse(dict(choices=[camera, camera], weights=[1]))
    with pytest.raises(ValueError, match="the same mask"):
        OneOf.parse(dict(choices=[camera, dict(kind="inpainting")], weights=[1, 1]))


def test_ranges_and_weights_are_finite() -> None:
    camera = dict(kind="camera")
    with pytest.raises(InputError, match="finite"):
        OneOf.parse(dict(choices=[camera, camera], weights=[1, float("inf")]))
    with pytest.raises(InputError, match="finite"):
        CameraNoise.parse(dict(black_level=[0.0, float("inf")]))
