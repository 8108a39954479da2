"""Optics, bleaching and JPEG do to known images what physics or arithmetic says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from diffir_training.degradations import (
    BicubicDownscale,
    Binning,
    Bleaching,
    DiffractionBlur,
    GaussianBlur,
    JpegCompression,
    MeasuredPsfBlur,
    bleaching_factors,
)
from diffir_training.degradations.compression import jpeg
from diffir_training.degradations.diffraction import diffraction_psf
from numpy.typing import NDArray
from scipy import special

from diffir_core.errors import InputError

RNG = np.random.default_rng


def point(size: int) -> NDArray[np.float32]:
    image = np.zeros((1, size, size), np.float32)
    image[0, size // 2, size // 2] = 1
    return image


def random_image(*shape: int) -> NDArray[np.float32]:
    return RNG(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.8, 1.7, 3.0])
def test_a_gaussian_psf_has_its_width(sigma: float) -> None:
    psf = GaussianBlur(sigma=(sigma, sigma)).apply(point(41), RNG(1)).noisy[0]
    offsets = np.arange(41) - 20
    assert psf.sum() == pytest.approx(1, abs=1e-5)
    for profile in (psf.sum(axis=0), psf.sum(axis=1)):
        assert (profile * offsets**2).sum() == pytest.approx(sigma**2, rel=0.01)


def test_a_gaussian_psf_keeps_the_light_at_the_borders() -> None:
    image = random_image(2, 20, 30)
    pair = GaussianBlur(sigma=(2, 2)).apply(image, RNG(1))
    assert pair.noisy.sum() == pytest.approx(image.sum(), rel=1e-5)
    assert np.array_equal(pair.clean, image)


@pytest.mark.parametrize("radius", [2.5, 6.0])
def test_an_objective_in_focus_makes_an_airy_pattern(radius: float) -> None:
    psf = diffraction_psf(radius, 0.0, 0.0)
    distance = np.hypot(*(np.indices(psf.shape) - psf.shape[0] // 2))
    v = np.pi * 1.2197 * np.maximum(distance, 1e-9) / radius
    airy = (2 * special.j1(v) / v) ** 2
    near = distance < 3 * radius
    assert psf[near] / psf.max() == pytest.approx(airy[near], abs=0.02)


def test_defocus_takes_the_light_from_the_middle_and_keeps_its_sum() -> None:
    middles = []
    for waves in (0.0, 0.25, 0.5, 1.0):
        psf = diffraction_psf(5.0, waves, 0.0)
        assert psf.sum() == pytest.approx(1, abs=1e-5)
        middles.append(
            psf.max() if waves == 0 else psf[tuple(np.array(psf.shape) // 2)]
        )
    expected = [np.sinc(waves) ** 2 for waves in (0.0, 0.25, 0.5, 1.0)]
    assert np.array(middles) / middles[0] == pytest.approx(expected, abs=0.03)


def test_an_objective_keeps_the_light_at_the_borders() -> None:
    image = random_image(2, 20, 30)
    blur = DiffractionBlur(airy_radius_pixels=(3, 3), spherical_waves=(-0.3, 0.3))
    assert blur.apply(image, RNG(1)).noisy.sum() == pytest.approx(image.sum(), rel=1e-4)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_a_measured_psf_is_what_a_point_becomes(tmp_path: Path, suffix: str) -> None:
    psf = RNG(2).integers(0, 1000, (7, 5)).astype(np.uint16)  # Not symmetric.
    path = tmp_path / f"psf{suffix}"
    np.save(path, psf) if suffix == ".npy" else tifffile.imwrite(path, psf)
    blur = MeasuredPsfBlur(path=path)
    seen = blur.apply(point(21), RNG(0)).noisy[0]
    assert seen[7:14, 8:13] == pytest.approx(psf / psf.sum(), abs=1e-6)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    flat = np.full((1, 4, 9), 0.7, np.float32)  # Smaller than the PSF.
    assert blur.apply(flat, RNG(0)).noisy == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.ones((4, 5)), "odd in height and width"),
        (np.ones((3, 5, 5)), "one plane"),
        (np.zeros((5, 5)), "sum positive"),
        (np.full((5, 5), np.nan), "finite"),
        (np.full((5, 5), 1 + 1j), "complex128"),
        (np.full((3, 3), "a"), "<U1"),
        (np.ones((3, 3), np.bool_), "bool"),
    ],
)
def test_a_psf_that_cannot_be_used_is_refused(
    tmp_path: Path, psf: NDArray[np.generic], message: str
) -> None:
    np.save(tmp_path / "psf.npy", psf)
    blur = MeasuredPsfBlur(path=tmp_path / "psf.npy")
    with pytest.raises(InputError, match=message):
        blur.apply(point(9), RNG(0))


@pytest.mark.parametrize("name", ["missing.npy", "missing.tif", "text.tif", "text.npy"])
def test_a_psf_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("not an image")
    with pytest.raises(InputError, match=name):
        MeasuredPsfBlur(path=tmp_path / name).apply(point(9), RNG(0))


def test_a_psf_may_lie_below_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    np.save(tmp_path / "psf.npy", np.ones((3, 3)))
    blur = MeasuredPsfBlur.parse(dict(path="~/psf.npy"))
    assert blur.path == tmp_path / "psf.npy"
    assert blur.psf == pytest.approx(1 / 9)


@pytest.mark.parametrize("factor", [2, 4])
def test_binning_gives_the_means_of_blocks(factor: int) -> None:
    image = random_image(2, 8, 16)
    pair = Binning.parse(dict(factor=factor)).apply(image, RNG(0))
    assert pair.noisy.shape == (2, 8 // factor, 16 // factor)
    for y, x in np.ndindex(pair.noisy.shape[1:]):
        block = image[1, factor * y : factor * (y + 1), factor * x : factor * (x + 1)]
        assert pair.noisy[1, y, x] == pytest.approx(block.mean(), rel=1e-5)
    assert np.array_equal(pair.clean, image)
    with pytest.raises(InputError, match="7 x 8"):
        Binning().apply(random_image(1, 7, 8), RNG(0))


def test_bicubic_shrinking_keeps_slopes_and_does_not_alias() -> None:
    y, x = np.mgrid[:64, :64]
    images = np.stack([x / 64, (x + y) % 2]).astype(np.float32)
    slope, checkers = BicubicDownscale(scale=4).apply(images, RNG(0)).noisy
    centres = (4 * np.arange(16) + 1.5) / 64
    assert slope[5, 3:-3] == pytest.approx(centres[3:-3], abs=1e-5)
    assert checkers[2:-2, 2:-2] == pytest.approx(0.5, abs=0.01)


def test_bleaching_takes_the_same_fraction_of_every_plane() -> None:
    factors = bleaching_factors(9, 0.25)
    assert factors[[0, -1]] == pytest.approx([1, 0.25])
    assert factors[1:] / factors[:-1] == pytest.approx(0.25 ** (1 / 8))
    assert bleaching_factors(1, 0.25) == pytest.approx([1])
    stack = np.repeat(random_image(1, 6, 6), 5, axis=0)
    pair = Bleaching(remaining=(0.4, 0.6)).apply(stack, RNG(3))
    light = pair.noisy.sum(axis=(1, 2)) / stack.sum(axis=(1, 2))
    assert light[0] == pytest.approx(1)
    assert 0.4 <= light[-1] <= 0.6
    assert light[2] ** 2 == pytest.approx(light[-1], rel=1e-4)
    assert np.array_equal(pair.clean, stack)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_smooth_images_and_drifts_with_falling_quality(
    channels: int,
) -> None:
    y, x = np.mgrid[:48, :40]
    smooth = np.stack([0.5 + 0.4 * np.sin((c + 1) * x / 20 + y / 15) for c in range(3)])
    image = smooth[:channels].astype(np.float32)
    errors = [
        np.abs(jpeg(image, quality) - image).mean() for quality in (95, 50, 10, 2)
    ]
    assert errors[0] < 0.006  # About one and a half of 255 levels.
    assert errors == sorted(errors)
    assert errors[-1] > 0.03


def test_jpeg_halves_the_resolution_of_colours_alone() -> None:
    stripes = np.arange(32) % 2 * np.ones((32, 1))
    gray = np.stack([stripes] * 3).astype(np.float32)
    assert np.abs(jpeg(gray, 100) - gray).max() < 0.02
    colours = np.stack([stripes, 0.5 * np.ones_like(stripes), 1 - stripes])
    red, _, blue = jpeg(colours.astype(np.float32), 100)
    assert np.ptp(red - blue, axis=1).mean() < 0.3 * 2  # It was 2 before.


def test_jpeg_gives_8_bit_levels_in_range_and_refuses_two_channels() -> None:
    wild = (3 * random_image(3, 17, 9) - 1).astype(np.float32)
    levels = 255 * JpegCompression().apply(wild, RNG(1)).noisy
    assert levels == pytest.approx(np.rint(levels), abs=1e-3)
    assert 0 <= levels.min()
    assert levels.max() <= 255
    with pytest.raises(InputError, match="not 2"):
        JpegCompression().apply(random_image(2, 8, 8), RNG(1))
