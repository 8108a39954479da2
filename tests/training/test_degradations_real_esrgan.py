"""Real-ESRGAN's kernels, noise and pipeline are checked against their definitions."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from diffir_training.degradations import RealEsrgan
from diffir_training.degradations.kernels import (
    KernelRanges,
    draw_kernel,
    gaussian_kernel,
    plateau_kernel,
    sinc_kernel,
    squared_radius,
)
from diffir_training.degradations.real_esrgan import sharpened
from diffir_training.degradations.resizing import draw_factor
from diffir_training.degradations.rgb_noise import (
    RgbNoise,
    gaussian_noise,
    poisson_noise,
)
from numpy.typing import NDArray

from diffir_core.errors import InputError

RNG = np.random.default_rng


def covariance(kernel: NDArray[np.float32]) -> NDArray[np.float64]:
    """Second moments in the order (x, y)."""
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    return np.array(
        [[(kernel * a * b).sum(dtype=float) for a in (x, y)] for b in (x, y)]
    )


def smooth(channels: int, size: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:size, :size]
    planes = [0.5 + 0.4 * np.sin((x + y) / 15 + c) for c in range(channels)]
    return np.stack(planes).astype(np.float32)


def test_drawn_kernels_are_normalised_odd_and_as_frequent_as_stated() -> None:
    generator = RNG(1)
    kernels = [draw_kernel(KernelRanges(), generator) for _ in range(2000)]
    assert {kernel.shape for kernel in kernels} == {(n, n) for n in range(7, 22, 2)}
    for kernel in kernels:
        assert kernel.dtype == np.float32
        assert abs(kernel.sum() - 1) < 1e-5
        assert np.abs(kernel - kernel[::-1, ::-1]).max() < 1e-6
    # Of these kernels, only sincs have negative lobes, and only anisotropic ones
    # change when turned by a quarter.
    sinc = np.mean([kernel.min() < 0 for kernel in kernels])
    turned = np.mean([np.abs(k - np.rot90(k)).max() > 1e-6 for k in kernels])
    for share, theory in ((sinc, 0.1), (turned, 0.9 * 0.31)):
        assert abs(share - theory) < 4 * math.sqrt(theory * (1 - theory) / 2000)


def test_an_anisotropic_gaussian_has_its_covariance() -> None:
    angle = 0.5
    kernel = gaussian_kernel(squared_radius(21, 2.2, 1.3, angle))
    axes = np.array(
        [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    )
    theory = axes.T @ np.diag([2.2**2, 1.3**2]) @ axes
    assert covariance(kernel) == pytest.approx(theory, rel=0.01)


@pytest.mark.parametrize("beta", [0.75, 1.0, 2.0, 4.0])
def test_a_generalised_gaussian_has_the_second_moment_of_its_shape(beta: float) -> None:
    kernel = gaussian_kernel(squared_radius(61, 4.0, 4.0), beta)
    # Integral of r^3 exp(-r^(2 beta) / 2) over that of r exp(-r^(2 beta) / 2), halved.
    moment = 2 ** (1 / beta) * math.gamma(2 / beta) / math.gamma(1 / beta) / 2
    assert covariance(kernel) == pytest.approx(
        16 * moment * np.eye(2), rel=0.02, abs=1e-4
    )


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_a_plateau_is_half_its_peak_at_one_sigma(beta: float) -> None:
    kernel = plateau_kernel(squared_radius(21, 3.0, 5.0), beta)
    assert kernel[10, 13] == pytest.approx(kernel[10, 10] / 2)
    assert kernel[15, 10] == pytest.approx(kernel[10, 10] / 2)
    inside = kernel[10, 12] / kernel[10, 10]
    assert inside == pytest.approx(1 / (1 + (2 / 3) ** (2 * beta)))


@pytest.mark.parametrize("cutoff", [math.pi / 3, math.pi / 2])
def test_a_sinc_passes_below_its_cutoff_and_stops_above(cutoff: float) -> None:
    response = np.abs(np.fft.fft2(sinc_kernel(51, cutoff), (256, 256)))
    omega = 2 * math.pi * np.abs(np.fft.fftfreq(256))
    radius = np.hypot(omega[:, None], omega[None])
    assert response[radius < 0.75 * cutoff] == pytest.approx(1, abs=0.12)
    assert response[radius > 1.25 * cutoff].max() < 0.12


def test_gaussian_noise_has_its_strength_and_gray_noise_no_colour() -> None:
    ranges = RgbNoise(
        gaussian_probability=1, gaussian_sigma=(20, 20), gray_probability=1
    )
    image = np.full((3, 128, 128), 0.5, np.float32)
    gray = ranges.add(image, RNG(2)) - image
    assert gray.std() == pytest.approx(20 / 255, rel=0.03)
    assert np.ptp(gray, axis=0).max() == 0
    coloured = gaussian_noise(image, 0.1, RNG(3), gray=False)
    assert abs(np.corrcoef(coloured[0].ravel(), coloured[1].ravel())[0, 1]) < 0.03


def test_poisson_noise_has_the_variance_of_its_photons() -> None:
    levels = np.repeat(np.arange(200)[:, None], 2000, axis=1) / 255
    image = levels[None].astype(np.float32)
    noise = poisson_noise(image, 1.5, RNG(4), gray=False)[0]
    # 200 different levels are counted with 256 photons at 1.
    slope = np.polyfit(levels[:, 0], noise.var(axis=1), 1)[0]
    assert slope == pytest.approx(1.5**2 / 256, rel=0.02)
    assert abs(noise.mean()) < 1e-3
    half = np.zeros((1, 200, 200), np.float32)
    half[:, :100] = 1  # Two levels are counted with two photons at 1.
    bright = poisson_noise(half, 1.0, RNG(5), gray=False)[0, :100]
    assert bright.var() == pytest.approx(1 / 2, rel=0.05)


def test_sizes_go_up_down_or_stay_as_often_as_stated() -> None:
    generator = RNG(5)
    factors = np.array(
        [draw_factor((0.2, 0.7, 0.1), (0.15, 1.5), generator) for _ in range(4000)]
    )
    shares = [np.mean(factors > 1), np.mean(factors < 1), np.mean(factors == 1)]
    assert shares == pytest.approx([0.2, 0.7, 0.1], abs=0.03)
    assert 0.15 <= factors.min() < 0.17
    assert 1.45 < factors.max() <= 1.5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_pipeline_gives_8_bit_levels_of_the_right_size(
    scale: Literal[1, 2, 4], channels: int
) -> None:
    clean, generator = smooth(channels, 64), RNG(6)
    for _ in range(15):
        pair = RealEsrgan(scale=scale).apply(clean, generator)
        assert pair.noisy.shape == (channels, 64 // scale, 64 // scale)
        assert np.array_equal(pair.clean, clean)
        levels = 255 * pair.noisy
        assert levels == pytest.approx(np.rint(levels), abs=1e-3)
        assert 0 <= levels.min() < levels.max() <= 255


def test_a_pipeline_whose_every_step_is_gentle_gives_the_image_back() -> None:
    gentle = dict(
        blur_probability=0,
        resize_weights=(0, 0, 1),
        noise=dict(gaussian_sigma=(0, 0), poisson_scale=(0, 0)),
        jpeg_quality=(100, 100),
    )
    values: dict[str, Any] = dict(first=gentle, second=gentle, final_sinc_probability=0)
    clean = smooth(1, 64)  # Gray, since JPEG halves the resolution of colours.
    for seed in range(4):
        noisy = RealEsrgan.parse({**values, "scale": 1}).apply(clean, RNG(seed)).noisy
        assert np.abs(noisy - clean).max() < 0.015
        small = RealEsrgan.parse({**values, "scale": 4}).apply(clean, RNG(seed)).noisy
        means = clean.reshape(1, 16, 4, 16, 4).mean(axis=(2, 4))
        assert np.abs(small - means).max() < 0.02


def test_a_size_that_the_scale_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="62 x 62"):
        RealEsrgan(scale=4).apply(smooth(3, 62), RNG(0))


def test_sharpening_raises_edges_and_leaves_the_rest() -> None:
    edge = np.full((1, 128, 128), 0.3, np.float32)
    edge[..., 64:] = 0.7
    sharp = sharpened(edge)
    assert sharp[0, 64, 62] < 0.25
    assert sharp[0, 64, 65] > 0.75
    assert sharp[..., :5] == pytest.approx(0.3, abs=1e-5)
    faint = 0.5 + 0.1 * (edge - 0.5)  # Detail below ten levels is noise.
    assert sharpened(faint) == pytest.approx(faint, abs=1e-6)
    pair = RealEsrgan(sharpen_target=True).apply(edge, RNG(7))
    assert np.array_equal(pair.clean, sharp)
