"""Images that software changed after their exposure, and targets changed alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diffir_training.degradations import Processed
from diffir_training.degradations.base import Degraded, Image
from diffir_training.degradations.processing import enlarge

ENLARGED, SMOOTHED, FILTERED = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def noisy_pair(side: int = 96, scale: int = 1) -> Degraded:
    noise = np.random.default_rng(0).standard_normal((2, side, side))
    y, x = np.mgrid[: side * scale, : side * scale] / (side * scale)
    return Degraded(noise.astype(np.float32), np.stack([y, x]).astype(np.float32))


def processed(pair: Degraded, seed: int = 1, **ranges: Any) -> Degraded:
    return Processed(**ranges).degrade(pair, np.random.default_rng(seed))


def binned_by_two(image: Image) -> Image:
    c, y, x = image.shape
    means = image.reshape(c, y // 2, 2, x // 2, 2).mean(axis=(2, 4))
    return np.asarray(means, np.float32)


def shared(noise: Image, axis: int) -> float:
    return float((noise * np.roll(noise, -1, axis)).mean() / noise.var())


def test_pixels_are_repeated_where_an_image_is_enlarged_twice() -> None:
    pair = noisy_pair()
    twice = processed(
        pair,
        weights=ENLARGED,
        enlarged=(2.0, 2.0),
        interpolation_weights=(1.0, 0.0, 0.0),
    )
    expected = np.kron(pair.noisy[:, :48, :48], np.ones((2, 2), np.float32))
    assert np.array_equal(twice.noisy, expected)


@pytest.mark.parametrize("order", [1, 3])
def test_a_ramp_stays_one_at_half_its_slope_when_enlarged_twice(order: int) -> None:
    ramp = noisy_pair().clean
    large = enlarge(ramp, 2.0, order)
    assert large.shape == ramp.shape
    inner = large[1, 40, 8:-8]
    assert np.diff(inner) == pytest.approx(0.5 / 96, rel=0.01)
    assert inner[0] == pytest.approx((8 - 0.5) / 2 / 96, rel=0.01)


@pytest.mark.parametrize("weights", [ENLARGED, SMOOTHED, FILTERED])
def test_whatever_is_done_to_noise_its_neighbours_share_it(
    weights: tuple[float, float, float],
) -> None:
    noise = processed(noisy_pair(), weights=weights, smoothing_pixels=(0.7, 1.2)).noisy
    assert min(shared(noise, 1), shared(noise, 2)) > 0.25


@pytest.mark.parametrize("seed", range(5))
def test_a_larger_target_is_enlarged_by_as_much(seed: int) -> None:
    large = noisy_pair(side=60, scale=2).clean
    pair = processed(
        Degraded(binned_by_two(large), large),
        seed,
        weights=ENLARGED,
        interpolation_weights=(0.0, 1.0, 0.0),
    )
    assert pair.noisy.shape == (2, 60, 60)
    off = pair.noisy - binned_by_two(pair.clean)
    assert np.abs(off[:, 3:-3, 3:-3]).max() < 1e-4
    assert np.ptp(pair.clean) < 0.9 * np.ptp(large)


def test_a_real_image_follows() -> None:
    pair = noisy_pair()
    with_real = Degraded(pair.noisy, pair.clean, pair.clean)
    result = processed(with_real, weights=FILTERED)
    assert result.real is not None
    assert np.array_equal(result.real, result.clean)
