"""Scanning electron microscopes: what neighbours and lines share, against formulas."""

from __future__ import annotations

import numpy as np
import pytest
from diffir_training.degradations import Camera, ScanNoise
from diffir_training.degradations.scanning import Scanner, draw_scanner
from numpy.typing import NDArray

ELECTRONS = 400.0


def noise_of(scanner: Scanner, size: int = 512) -> NDArray[np.float64]:
    """Scan an even field of 1, and take its signal off."""
    even = np.ones((size, size), np.float32)
    counts = scanner.scan(even, np.random.default_rng(0)).astype(np.float64)
    return counts - scanner.detector.expected(even)[0, 0]


def scanner(blur: tuple[float, float] = (0.0, 0.0), line: float = 0.0) -> Scanner:
    detector = Camera(ELECTRONS, 0.0, 3.0, 0.0, 0, 1.0, 100.0, 65535)
    return Scanner(detector, blur, line)


def shared(noise: NDArray[np.float64], lag: int, axis: int) -> float:
    later = np.roll(noise, -lag, axis)
    return float((noise * later).mean() / noise.var())


@pytest.mark.parametrize("blur", [(0.0, 0.0), (0.44, 0.9), (0.8, 0.8)])
def test_blurred_noise_keeps_its_mean_and_variance(blur: tuple[float, float]) -> None:
    noise = noise_of(scanner(blur))
    assert noise.mean() == pytest.approx(0, abs=0.3)
    assert noise.std() == pytest.approx(np.sqrt(ELECTRONS + 9), rel=0.02)


def test_noise_is_correlated_as_in_real_micrographs() -> None:
    """By 0.74, 0.31, 0.04 along the lines and by 0.15 across, as measured on two."""
    noise = noise_of(scanner((0.44, 0.9)))
    along = [shared(noise, lag, axis=1) for lag in (1, 2, 3)]
    assert along == pytest.approx([0.74, 0.31, 0.04], abs=0.03)
    assert shared(noise, 1, axis=0) == pytest.approx(0.15, abs=0.02)


def test_lines_are_off_as_a_whole() -> None:
    lines = noise_of(scanner(line=10.0)).mean(axis=1)
    assert lines.std() == pytest.approx(10, rel=0.15)
    assert shared(lines, 1, axis=0) == pytest.approx(0, abs=0.15)
    assert noise_of(scanner()).mean(axis=1).std() < 1.5


def test_each_kind_of_scan_comes_as_often_as_asked() -> None:
    generator = np.random.default_rng(1)
    ranges = ScanNoise(
        blurred_fraction=0.6,
        resampled_fraction=0.5,
        line_fraction=0.25,
        scan_blur_pixels=(0.6, 1.3),
    )
    drawn = [draw_scanner(ranges, generator) for _ in range(1000)]
    blurs = [one.blur_pixels for one in drawn if one.blur_pixels[1] > 0]
    assert 0.55 < len(blurs) / 1000 < 0.65
    assert 0.45 < np.mean([y == x for y, x in blurs]) < 0.55
    assert all(0.6 <= x <= 1.3 for _, x in blurs)
    assert 0.2 < np.mean([one.line_noise > 0 for one in drawn]) < 0.3


def test_lines_are_never_off_by_more_than_the_range_says() -> None:
    generator = np.random.default_rng(2)
    ranges = ScanNoise(line_fraction=1.0, line_noise=(0.1, 0.2))
    for _ in range(100):
        one = draw_scanner(ranges, generator)
        pixels = one.detector.noise_std(1.0) / one.detector.gain
        assert 0.1 <= one.line_noise / pixels <= 0.2


@pytest.mark.parametrize(("turned", "axis"), [(0.0, 1), (1.0, 0)])
def test_an_image_turned_after_its_scan_shares_noise_along_y(
    turned: float, axis: int
) -> None:
    ranges = ScanNoise(
        electrons=(50.0, 50.0),
        blurred_fraction=1.0,
        resampled_fraction=0.0,
        scan_blur_pixels=(0.9, 0.9),
        cross_blur_pixels=(0.0, 0.0),
        line_fraction=0.0,
        turned_fraction=turned,
    )
    even = np.full((1, 96, 160), 0.5, np.float32)
    noisy = ranges.apply(even, np.random.default_rng(3)).noisy
    assert noisy.shape == even.shape
    noise = (noisy[0] - noisy.mean()).astype(np.float64)
    assert shared(noise, 1, axis) > 0.6
    assert abs(shared(noise, 1, 1 - axis)) < 0.1
