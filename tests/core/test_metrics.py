"""Metrics, on images whose numbers are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from diffir_core import metrics
from diffir_core.errors import InputError

Image = NDArray[np.float64]


def noise(seed: int, shape: tuple[int, ...] = (256, 256)) -> Image:
    return np.random.default_rng(seed).standard_normal(shape)


def specimen(shape: tuple[int, int] = (256, 256)) -> Image:
    """Blobs of many sizes and brightnesses on a dark ground, 0 to about 200."""
    spots = np.random.default_rng(5).gamma(0.05, 1.0, shape)
    image = sum(ndimage.gaussian_filter(spots, sigma) for sigma in (1.5, 3.0, 8.0))
    return np.asarray(200 * image / np.max(image))


def band_limited(cutoff: float, seed: int) -> Image:
    """White noise without what is above a frequency in cycles a pixel."""
    spectrum = np.fft.fft2(noise(seed))
    frequency = np.fft.fftfreq(256)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    return np.fft.ifft2(spectrum * (radius < cutoff)).real


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        # Of white noise filtered along both axes with (1, w), (1, w, w'): textbook MA.
        ((1.0,), (0.0, 0.0)),
        ((1.0, 1.0), (0.5, 0.0)),
        ((1.0, 0.5), (0.4, 0.0)),
        ((1.0, 1.0, 1.0), (2 / 3, 1 / 3)),
    ],
)
def test_autocorrelation_of_filtered_noise(
    weights: tuple[float, ...], expected: tuple[float, float]
) -> None:
    field = 30 + 4 * noise(0, (600, 600))
    for axis in (0, 1):
        field = ndimage.convolve1d(field, weights, axis=axis, mode="wrap")
    assert metrics.autocorrelation(field) == pytest.approx(expected, abs=0.01)


def test_autocorrelation_of_what_has_no_noise_is_zero() -> None:
    assert metrics.autocorrelation(np.full((9, 9), 7.0)) == (0.0, 0.0)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.9, 0.0), (1.0, 3.0)])
def test_bias_shows_gain_and_offset(gain: float, offset: float) -> None:
    truth = specimen()
    found = metrics.bias_by_intensity(
        gain * truth + offset + 5 * noise(1), truth, bins=8
    )
    assert np.all(np.diff(found.levels) >= 0)
    assert found.gain_error == pytest.approx(gain - 1, abs=0.005)
    expected = (gain - 1) * found.levels + offset
    assert found.biases == pytest.approx(expected, abs=0.25)
    assert found.rms == pytest.approx(np.sqrt(np.mean(expected**2)), abs=0.15)


@pytest.mark.parametrize("cutoff", [0.1, 0.2, 0.35])
def test_resolution_finds_a_known_cutoff(cutoff: float) -> None:
    signal = band_limited(cutoff, 2)
    frames = [signal + 0.05 * noise(seed) for seed in (3, 4)]
    found = metrics.resolution(*frames)
    three_rings = 3 / 256  # Two from the window, which smears a sharp edge.
    assert 1 / found == pytest.approx(cutoff, abs=three_rings)
    assert metrics.resolution(*frames, pixel_size=0.1) == pytest.approx(0.1 * found)


def test_resolution_is_worse_with_more_noise_and_ends_at_nyquist() -> None:
    signal = ndimage.gaussian_filter(noise(2), 1.5)
    little, much = (
        metrics.resolution(signal + sigma * noise(3), signal + sigma * noise(4))
        for sigma in (0.05, 0.3)
    )
    assert 2 < little < much < 20
    assert metrics.resolution(signal, signal) == 2.0
    assert metrics.resolution(signal, -signal) == float("inf")


def test_ring_correlation_is_one_below_and_zero_above_the_cutoff() -> None:
    signal = band_limited(0.25, 2)
    frames = [signal + 0.02 * noise(seed) for seed in (3, 4)]
    found = metrics.fourier_ring_correlation(*frames)
    assert found.frequencies[[0, -1]] == pytest.approx([0.5 / 256, 127.5 / 256])
    assert found.correlations[found.frequencies < 0.23].min() > 0.99
    assert np.abs(found.correlations[found.frequencies > 0.27]).max() < 0.25


def test_false_structure_of_noise_its_average_and_an_invented_spot() -> None:
    rng = np.random.default_rng(0)
    level, gain, read = 40.0, 2.0, 3.0
    field = metrics.empty_field((400, 400), level, gain, read, rng)
    std = float(np.sqrt(gain * level + read**2))
    assert field.mean() == pytest.approx(level, abs=0.1)
    assert field.std() == pytest.approx(std, rel=0.01)
    assert metrics.false_structure(field, level, std).spread == pytest.approx(1, 0.01)
    averaged = metrics.false_structure(ndimage.uniform_filter(field, 7), level, std)
    assert averaged.spread == pytest.approx(1 / 7, rel=0.05)
    assert averaged.share < 0.002
    spot = np.full((400, 400), level)
    assert metrics.false_structure(spot, level, std) == metrics.FalseStructure(0, 0)
    spot[:40, :40] += std  # A hundredth of the field.
    assert metrics.false_structure(spot, level, std).share == pytest.approx(0.01)
    assert metrics.false_structure(spot + std, level, std).share == 1.0


def test_flicker_counts_what_restoration_adds_and_not_bleaching() -> None:
    given = 100 + noise(6, (12, 64, 64))
    bleaching = np.linspace(1, 0.7, 12)[:, None, None]
    assert metrics.flicker(given, given) == metrics.Flicker(1, 1)
    calm = metrics.flicker(given * bleaching, given)
    assert calm.pixels == pytest.approx(2, abs=0.5)
    steady = np.broadcast_to(given[:1], given.shape)
    assert metrics.flicker(steady, given).pixels == 0
    changing = given + 5 * np.array([1, -1] * 6)[:, None, None]
    assert metrics.flicker(changing, given).planes > 100


def test_range_invariant_ssim_ignores_gain_and_offset_and_sees_blur() -> None:
    truth = specimen()
    blurred = ndimage.gaussian_filter(truth, 2)
    score = metrics.range_invariant_ssim(blurred, truth)
    assert score < 0.97
    assert metrics.range_invariant_ssim(truth, truth) == pytest.approx(1, abs=1e-6)
    for gain, offset in ((40.0, 1000.0), (0.01, 0.0)):
        same = metrics.range_invariant_ssim(gain * blurred + offset, truth)
        assert same == pytest.approx(score, abs=1e-5)
        assert metrics.range_invariant_ssim(gain * truth, truth) > 0.999
    noisy = truth + 20 * noise(8)
    assert metrics.range_invariant_ssim(noisy, truth) < score


def test_range_invariant_ssim_is_that_of_scikit_image_at_the_same_gain() -> None:
    truth = specimen() / 200
    truth -= np.percentile(truth, 3)
    truth /= truth.max()
    noisy = truth + 0.05 * noise(9)
    background = np.percentile(noisy, 3)
    gains = np.linspace(0.5, 1.5, 41)
    plain = [metrics.ssim(gain * (noisy - background), truth, 1.0) for gain in gains]
    ours = metrics.range_invariant_ssim(noisy, truth)
    # scikit-image leaves a margin out, which is all that differs.
    assert ours == pytest.approx(max(plain), abs=0.01)


def test_scale_invariant_psnr_forgives_gain_and_offset_alone() -> None:
    truth = specimen()
    noisy = truth + 5 * noise(7)
    expected = 10 * np.log10(255**2 / 25)
    assert metrics.psnr(noisy, truth, 255) == pytest.approx(expected, abs=0.1)
    found = metrics.scale_invariant_psnr(3 * noisy - 70, truth, 255)
    # The gain of least error shrinks the noise a little, too (Wiener).
    shrunk = 10 * np.log10(1 + 25 / truth.var())
    assert found == pytest.approx(expected + shrunk, abs=0.1)
    assert metrics.psnr(truth, truth, 255) == float("inf")


def test_what_cannot_be_measured_is_refused_in_a_sentence() -> None:
    plane = noise(0, (20, 20))
    masked = np.ma.masked_greater(plane, 2)
    stack = np.stack([plane] * 12)
    for refused, measure in (
        ("same shape", lambda: metrics.psnr(plane, plane[:, :1], 1.0)),
        ("11 values or more", lambda: metrics.ssim(plane[:10], plane[:10], 1.0)),
        ("from 1 on", lambda: metrics.autocorrelation(plane, (0,))),
        ("21 values or more", lambda: metrics.autocorrelation(plane, (20,))),
        ("two or more", lambda: metrics.flicker(plane[None], plane[None])),
        ("6 values or more", lambda: metrics.resolution(plane[:1], plane[:1])),
        ("same shape", lambda: metrics.bias_by_intensity(plane, plane[:5])),
        ("same shape", lambda: metrics.range_invariant_ssim(plane, plane[:5])),
        ("bins is 0", lambda: metrics.bias_by_intensity(plane, plane, bins=0)),
        ("too small", lambda: metrics.bias_by_intensity(plane[:0], plane[:0])),
        ("too small", lambda: metrics.range_invariant_ssim(plane[:0], plane[:0])),
        ("too small", lambda: metrics.false_structure(plane[:0], 0.0, 1.0)),
        (r"3 dimensions, \(planes, y, x\)", lambda: metrics.flicker(plane, plane)),
        (r"2 dimensions, \(y, x\)", lambda: metrics.autocorrelation(plane[0])),
        ("2 dimensions", lambda: metrics.fourier_ring_correlation(stack, stack)),
        ("values are masked", lambda: metrics.psnr(plane, masked, 1.0)),
        ("values are masked", lambda: metrics.autocorrelation(masked)),
    ):
        with pytest.raises(InputError, match=refused):
            measure()
    assert np.isfinite(metrics.ssim(plane[:11], plane[:11], 1.0))
    assert metrics.resolution(plane[:6], plane[:6]) == 2.0
