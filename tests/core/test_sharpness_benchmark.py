"""The parts of `benchmarks/sharpness.py` that numbers rest on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import sharpness as command
import tifffile
from diffir_training.images.drawing import drawn_image
from image_quality.blurred import (
    LEVELS,
    Blurred,
    GaussianPsf,
    Level,
    ObjectivePsf,
    degraded,
)
from image_quality.deconvolution import enlarged, richardson_lucy, wiener
from image_quality.sharpening import (
    Sharpener,
    SharpRow,
    best_settings,
    restored,
    score_row,
    sharpness,
    with_oracles,
)
from image_quality.sharpness_tables import sharpness_table, worse_table
from image_quality.simulated_noise import stretched
from networks import random_network, save_tiny
from scipy import ndimage

from diffir_core import load_model, save_model
from diffir_core.model import Model

WHITE = [level for level in LEVELS["sr"] if not level.scan]
"""Noise that neighbours share moves the top of a correlation."""


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return drawn_image("cells", 128, (3,))


@pytest.fixture(scope="module")
def nearest(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A super-resolution model whose residual is zero: it repeats every pixel."""
    network = random_network(architecture="sr", scale=2)
    for parameter in network.G.tail[-1].parameters():
        parameter.data.zero_()
    path = tmp_path_factory.mktemp("models") / "nearest.safetensors"
    save_model(path, network)
    return load_model(path)


def offset(image: np.ndarray, reference: np.ndarray, axis: int) -> float:
    """Where the correlation is best: the top of a parabola through three shifts."""
    before, here, after = (
        np.corrcoef(np.roll(image, by, axis).ravel(), reference.ravel())[0, 1]
        for by in (-1, 0, 1)
    )
    return float(0.5 * (before - after) / (before - 2 * here + after))


@pytest.mark.parametrize("task", ["deblur", "sr"])
def test_the_degraded_image_is_dimmed_nowhere(task: str, clean: np.ndarray) -> None:
    for level in LEVELS[task]:
        image = degraded("one", clean, level)
        assert image.counts.dtype == np.uint16
        assert image.counts.max() < 2**16 - 1
        assert image.clean.shape == (128, 128)
        assert image.units.shape == (128 / level.binning,) * 2
        assert image.units.mean() == pytest.approx(image.clean.mean(), abs=0.01)
        again = degraded("one", clean, level)
        assert np.array_equal(image.counts, again.counts)


@pytest.mark.parametrize("level", WHITE, ids=lambda level: level.title)
def test_what_is_enlarged_lies_on_the_clean_image(
    level: Level, clean: np.ndarray, nearest: Model
) -> None:
    image = degraded("one", clean, level)
    large = enlarged(image.units, 2)
    by_model = restored(image, nearest)
    assert by_model.shape == image.clean.shape
    expected = np.kron(image.units, np.ones((2, 2)))
    # The model gives whole counts, in the range of those it is given.
    assert by_model == pytest.approx(expected, abs=1e-3)
    for result, axis in product((large, by_model), (0, 1)):
        assert offset(result, image.clean, axis) == pytest.approx(0, abs=0.05)
        # Half a pixel of the enlarged image would not go unseen.
        moved = ndimage.shift(result, np.eye(2)[axis] / 2, mode="nearest")
        assert offset(moved, image.clean, axis) < -0.3


@pytest.mark.parametrize(
    "psf",
    [GaussianPsf(1.0), GaussianPsf(2.0), ObjectivePsf(4.0), ObjectivePsf(2.0, 0.4)],
)
def test_the_psf_is_that_of_the_blur(
    psf: GaussianPsf | ObjectivePsf, clean: np.ndarray
) -> None:
    blurred = degraded("one", clean, Level(psf, 1e6)).units
    assert psf.values.sum() == pytest.approx(1)
    expected = ndimage.convolve(stretched(clean), psf.values, mode="reflect")
    assert blurred == pytest.approx(expected, abs=0.01)


def test_neighbours_share_the_noise_of_a_scan(clean: np.ndarray) -> None:
    """As strong as the noise they do not share, to the tenth, along X above all."""
    white, scan = (
        degraded("one", clean, Level(GaussianPsf(1.0), 3000.0, scan=scan))
        for scan in (False, True)
    )
    light = degraded("one", clean, Level(GaussianPsf(1.0), 1e9)).units
    alone, shared = (image.units - light for image in (white, scan))
    assert shared.std() == pytest.approx(alone.std(), rel=0.1)
    for noise, expected in ((alone, (0.0, 0.0)), (shared, (0.2, 0.73))):
        for axis, correlation in enumerate(expected):
            both = noise.ravel(), np.roll(noise, 1, axis).ravel()
            assert np.corrcoef(*both)[0, 1] == pytest.approx(correlation, abs=0.1)


def test_deconvolution_sharpens_where_there_are_many_photons(clean: np.ndarray) -> None:
    image = degraded("one", clean, Level(GaussianPsf(1.5), 20000.0))
    before = sharpness(image, image.units)
    for result in (
        richardson_lucy(image.units, image.level, 20),
        wiener(image.units, image.level, 0.01),
    ):
        after = sharpness(image, result)
        assert after.psnr > before.psnr + 2
        assert after.scale_invariant_psnr > before.scale_invariant_psnr + 2
        assert after.ssim > before.ssim


def methods() -> list[Sharpener]:
    def moved(by: float) -> Sharpener:
        return Sharpener(f"by {by:g}", lambda image: image.clean + by, "moved")

    given = Sharpener("degraded", lambda image: image.units)
    return [given, moved(0.2), moved(0.1), Sharpener("ours", lambda i: i.clean + 0.5)]


def test_tables_show_the_best_setting_and_the_worst_image(clean: np.ndarray) -> None:
    images: list[Blurred] = [
        degraded(name, clean, level) for name in "ab" for level in LEVELS["deblur"]
    ]
    tried: list[SharpRow] = [score_row(image, methods()) for image in images]
    best = best_settings(tried, methods())
    shown = [method.name for method in best["Gaussian, 30 photons"]]
    assert shown == ["degraded", "by 0.1", "ours"]
    rows = with_oracles(tried, best)
    assert rows[0].scores["moved"].psnr == pytest.approx(20)
    lines = list(sharpness_table(rows))
    assert len(lines) == 2 + 3
    assert lines[3].startswith("| moved | 20.00 / ")
    assert lines[0].count("photons") == len(LEVELS["deblur"])
    worse = list(worse_table(rows, "ours", "degraded"))
    assert len(worse) == 2 + len(LEVELS["deblur"])
    assert worse[2].startswith("| 1 px, 30 photons | 2 | 2 | -")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    image = (2000 * stretched(drawn_image("leaves", 48, (1,)))).astype(np.uint16)
    folder = tmp_path / "clean" / "morpholibj"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "leaf_crop.tif", image, photometric="minisblack")
    return tmp_path


@pytest.fixture
def run(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    def run(*arguments: str | Path) -> str:
        words = ["sharpness.py", "--data", str(data), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        command.main()
        return capsys.readouterr().out

    return run


def test_the_command_prints_both_tables(
    data: Path, tiny_file: Path, run: Callable[..., str]
) -> None:
    result = data / "sharpness.json"
    printed = run("--task", "deblur", "--model", tiny_file, "--json", result)
    for title in ("| degraded |", "| Wiener, true PSF", "| Richardson-Lucy, true PSF",
                  "| fluo-denoise |", "| tiny |", "iterations", "least gain",
                  "leaf_crop"):  # fmt: skip
        assert title in printed
    rows = json.loads(result.read_text())
    assert len(rows) == len(LEVELS["deblur"])
    assert set(rows[0]["scores"]["tiny"]) == {"psnr", "scale_invariant_psnr", "ssim"}


def test_super_resolution_is_compared_with_interpolation(
    tmp_path: Path, tiny_file: Path, run: Callable[..., str]
) -> None:
    path = save_tiny(tmp_path, "large", architecture="sr", scale=2)
    printed = run("--task", "sr", "--model", path)
    for title in ("| bicubic |", "| fluo-denoise, bicubic |", "| large |"):
        assert title in printed
    with pytest.raises(SystemExit, match="enlarges by 1"):
        run("--task", "sr", "--model", tiny_file)
