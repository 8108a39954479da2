"""Images that were moved between their pixels, and parts that nothing is known of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diffir_training.degradations import Blanked, Warped
from diffir_training.degradations.base import Degraded, Image
from diffir_training.degradations.warping import Motion
from scipy import ndimage


def noisy_pair(side: int = 96, scale: int = 1) -> Degraded:
    noise = np.random.default_rng(0).standard_normal((2, side, side))
    y, x = np.mgrid[: side * scale, : side * scale] / (side * scale)
    return Degraded(noise.astype(np.float32), np.stack([y, x]).astype(np.float32))


def degraded(config: Any, pair: Degraded, seed: int = 1) -> Degraded:
    result = config.degrade(pair, np.random.default_rng(seed))
    assert isinstance(result, Degraded)
    return result


def shared(noise: Image, axis: int) -> float:
    return float((noise * np.roll(noise, -1, axis)).mean() / noise.var())


def test_half_a_pixel_along_x_shares_noise_along_x_alone() -> None:
    moved = Motion(0.0, np.array([0.0, 0.5]), order=1).move(noisy_pair().noisy)
    assert shared(moved, 2) == pytest.approx(0.5, abs=0.03)
    assert shared(moved, 1) == pytest.approx(0.0, abs=0.03)


def test_what_is_turned_by_a_quarter_is_the_image_turned() -> None:
    image = noisy_pair().noisy
    turned = Motion(90.0, np.zeros(2), order=1).move(image)
    assert np.allclose(turned, np.rot90(image, -1, axes=(1, 2)), atol=1e-4)


@pytest.mark.parametrize("turned_fraction", [0.0, 1.0])
def test_a_larger_target_moves_by_as_much(turned_fraction: float) -> None:
    smooth = ndimage.gaussian_filter(noisy_pair(192).noisy, (0, 8, 8), mode="mirror")
    binned = smooth.reshape(2, 96, 2, 96, 2).mean(axis=(2, 4))
    config = Warped(turned_fraction=turned_fraction, cubic_fraction=1.0)
    pair = degraded(config, Degraded(binned, smooth))
    again = pair.clean.reshape(2, 96, 2, 96, 2).mean(axis=(2, 4))
    off = np.abs(pair.noisy - again)[:, 30:66, 30:66]
    assert off.max() < 0.02 * np.ptp(binned)
    assert not np.allclose(pair.noisy, binned, atol=0.02 * np.ptp(binned))


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_as_much_of_noisy_and_target_is_empty(scale: int, seed: int) -> None:
    config = Blanked(blanked_fraction=1.0, area=(0.3, 0.4), value=(-0.1, -0.1))
    pair = degraded(config, noisy_pair(64, scale), seed)
    for image in (pair.noisy, pair.clean):
        assert 0.28 < (image == np.float32(-0.1)).mean() < 0.42
    empty = (pair.noisy == np.float32(-0.1)).repeat(scale, 1).repeat(scale, 2)
    off = empty != (pair.clean == np.float32(-0.1))
    assert off.mean() < 0.02


def test_without_a_chance_nothing_is_emptied() -> None:
    pair = noisy_pair()
    assert degraded(Blanked(blanked_fraction=0.0), pair) is pair


@pytest.mark.parametrize("config", [Warped(), Blanked(blanked_fraction=1.0)])
def test_a_real_image_follows(config: Any) -> None:
    pair = noisy_pair()
    result = degraded(config, Degraded(pair.noisy, pair.clean, pair.clean))
    assert result.real is not None
    assert np.array_equal(result.real, result.clean)
