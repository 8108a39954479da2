"""The pixels of the simulated sCMOS have the statistics they were asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diffir_training.degradations import CameraNoise, ScmosNoise, draw_camera
from diffir_training.degradations.scmos import ScmosSensor, draw_sensor
from numpy.typing import NDArray
from scipy import stats

QUIET = dict(
    photons=(200, 200),
    background=(0.1, 0.1),
    read_noise=(2, 2),
    read_noise_tail=(0, 0),
    gain_spread=(0, 0),
    offset_spread=(0, 0),
    row_noise=(0, 0),
    column_noise=(0, 0),
    correlated_fraction=0,
    hot_pixel_fraction=(0, 0),
    bits=(16,),
    black_level=(0.05, 0.05),
)


def sensor(size: int, **changes: Any) -> ScmosSensor:
    ranges = ScmosNoise.parse({**QUIET, **changes})
    return draw_sensor(ranges, (size, size), np.random.default_rng(1))


def dark_electrons(
    sensor: ScmosSensor, generator: np.random.Generator
) -> NDArray[np.float64]:
    """What is read without light, in electrons."""
    size = sensor.gain_map.shape
    no_light = np.full(size, -sensor.camera.background, np.float32)
    counts = sensor.expose(no_light, generator).astype(np.float64)
    return (counts - sensor.camera.offset) / sensor.camera.gain


def test_variance_grows_with_the_mean_along_each_pixels_own_line() -> None:
    chip = sensor(
        20, read_noise=(5, 5), read_noise_tail=(0.4, 0.4), gain_spread=(0.2,) * 2
    )
    generator, levels = np.random.default_rng(2), np.linspace(-0.1, 1, 4)
    frames = np.stack(
        [
            [
                chip.expose(np.full((20, 20), level, np.float32), generator)
                for level in levels
            ]
            for _ in range(500)
        ]
    )
    gain = chip.camera.gain
    mean, variance = (
        frames.mean(axis=0).reshape(4, -1),
        frames.var(axis=0, ddof=1).reshape(4, -1),
    )
    slopes = [np.polyfit(m, v, 1)[0] for m, v in zip(mean.T, variance.T, strict=True)]
    assert np.mean(slopes / (gain * chip.gain_map.ravel())) == pytest.approx(
        1, abs=0.02
    )
    assert np.corrcoef(slopes, chip.gain_map.ravel())[0, 1] > 0.8
    dark = (gain * chip.read_noise_map.ravel()) ** 2 + 1 / 12
    assert np.mean(variance[0] / dark) == pytest.approx(1, abs=0.02)
    assert np.corrcoef(variance[0], dark)[0, 1] > 0.95


def test_maps_have_their_distributions() -> None:
    chip = sensor(
        300,
        read_noise_tail=(0.3, 0.3),
        gain_spread=(0.03, 0.03),
        offset_spread=(1.5, 1.5),
    )
    gains, offsets = chip.gain_map.ravel(), chip.offset_map.ravel()
    assert gains.mean() == pytest.approx(1, abs=0.001)
    assert gains.std() == pytest.approx(0.03, rel=0.02)
    assert offsets.std() == pytest.approx(1.5, rel=0.02)
    read = chip.read_noise_map.ravel()
    assert np.median(read) == pytest.approx(2, rel=0.01)
    beyond = stats.norm.sf(np.log(2) / 0.3)  # The tail above twice the median.
    assert np.mean(read > 4) == pytest.approx(beyond, rel=0.15)
    assert abs(stats.skew(np.log(read))) < 0.05 < 0.5 < stats.skew(read)
    assert chip.camera.read_noise == pytest.approx(np.sqrt(np.mean(read**2)), rel=0.01)


@pytest.mark.parametrize("pixels", [0.4, 0.6, 0.9])
def test_blurred_read_noise_correlates_neighbours_as_theory_says(pixels: float) -> None:
    chip = sensor(
        256,
        read_noise=(20, 20),
        correlated_fraction=1,
        correlation_pixels=(pixels, pixels),
        black_level=(0.5, 0.5),  # Far from where counts are clipped.
    )
    noise = dark_electrons(chip, np.random.default_rng(3))
    assert noise.std() == pytest.approx(20, rel=0.02)
    weights = np.exp(-(np.arange(-9, 10) ** 2) / (2 * pixels**2))
    theory = (weights[1:] * weights[:-1]).sum() / (weights**2).sum()
    for axis in (0, 1):
        lag_one = (noise * np.roll(noise, 1, axis)).mean() / noise.var()
        assert lag_one == pytest.approx(theory, abs=0.02)


@pytest.mark.parametrize(("name", "along"), [("row_noise", 1), ("column_noise", 0)])
def test_a_row_or_column_shares_its_noise_within_one_exposure(
    name: str, along: int
) -> None:
    chip = sensor(400, read_noise=(0, 0), **{name: (3, 3)})
    generator = np.random.default_rng(4)
    first, second = (dark_electrons(chip, generator) for _ in range(2))
    assert np.ptp(first, axis=along).max() == 0  # Correlation 1 along the line.
    lines, later = first.mean(axis=along), second.mean(axis=along)
    assert lines.std() == pytest.approx(3, rel=0.15)
    assert abs(np.corrcoef(lines[1:], lines[:-1])[0, 1]) < 0.2
    assert abs(np.corrcoef(lines, later)[0, 1]) < 0.2


def test_as_many_pixels_are_hot_as_asked_for_and_the_same_in_every_exposure() -> None:
    chip = sensor(256, hot_pixel_fraction=(0.002,) * 2, hot_pixel_level=(0.3, 0.9))
    generator = np.random.default_rng(5)
    step = 0.25 * chip.camera.full_scale / chip.camera.gain
    first, second = (dark_electrons(chip, generator) > step for _ in range(2))
    expected = 0.002 * 256**2
    assert abs(first.sum() - expected) < 4 * np.sqrt(expected)
    assert np.array_equal(first, second)


def test_the_target_of_a_flat_image_is_flat_and_the_mean_of_the_noisy_one() -> None:
    ranges = ScmosNoise.parse(
        {**QUIET, "gain_spread": (0.03,) * 2, "row_noise": (1, 1)}
    )
    flat = np.full((2, 128, 128), 0.5, np.float32)
    pair = ranges.apply(flat, np.random.default_rng(6))
    assert np.ptp(pair.clean) == 0
    error = pair.noisy - pair.clean
    # The 1 electron of 128 rows averages to 0.09 of some 200 at clean = 1.
    assert abs(error.mean()) < 0.003 < error.std()
    # The pattern of the gains is the same in both channels: 3 % of 120 electrons,
    # against 120 of photon and 5 of read and row variance.
    theory = 3.6**2 / (3.6**2 + 120 + 5)
    common = np.corrcoef(error[0].ravel(), error[1].ravel())[0, 1]
    assert common == pytest.approx(theory, abs=0.03)


def test_a_measured_read_noise_is_what_is_drawn() -> None:
    """As docs/training.md says; `CameraNoise` scales what it draws."""
    for size in (4, 8):
        chip = sensor(size, read_noise=(1.6, 1.6))
        assert chip.camera.read_noise == pytest.approx(1.6)
        assert chip.read_noise_map == pytest.approx(1.6)
    generator, ranges = np.random.default_rng(0), CameraNoise(read_noise=(2, 4))
    drawn = [draw_camera(ranges, generator).read_noise for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(1.5, rel=0.05)
    assert max(drawn) <= 4
    assert "uniform number from 0 to 1" in str(
        CameraNoise.model_fields["read_noise"].description
    )
