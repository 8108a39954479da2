"""The parts of `benchmarks/quality.py` that numbers rest on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_quality import noise2void
from image_quality.classical import GAUSSIAN
from image_quality.methods import Method
from image_quality.noise_fitting import estimate_noise, fit_noise
from image_quality.pairs import Pair
from image_quality.running import Row, ScoreFile, score_set
from image_quality.scores import score
from image_quality.simulated_noise import scanned, simulated
from image_quality.stabilised_bm3d import inverse, stabilised
from image_quality.tables import group_table, least_gain, main_table
from image_quality.targets import target_table
from networks import save_tiny
from rivals.files import save_rival
from rivals.networks import UNet, UNetConfig
from scipy import ndimage
from skimage.io import imsave

from diffir_core.noise import NoiseModel


def specimen() -> np.ndarray:
    spots = np.random.default_rng(5).gamma(0.05, 1.0, (256, 256))
    image = ndimage.gaussian_filter(spots, 3) + ndimage.gaussian_filter(spots, 12)
    return 150 * image / image.max()


@pytest.mark.parametrize(("gain", "read", "offset"), [(3, 2, 20), (12, 6, 5)])
def test_noise_is_fitted_from_the_image_alone(
    gain: float, read: float, offset: float
) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :512]
    signal = 80 + 70 * np.sin(y / 30) * np.cos(x / 40)
    noisy = gain * rng.poisson(signal / gain) + read * rng.standard_normal(signal.shape)
    found = fit_noise(noisy + offset)
    assert found.slope == pytest.approx(gain, rel=0.05)
    # In units of the signal: where the variance would be zero.
    zero = -found.constant / found.slope
    assert zero == pytest.approx(offset - read**2 / gain, abs=2)


def test_white_noise_is_estimated() -> None:
    noise = 7 * np.random.default_rng(0).standard_normal((256, 256))
    assert estimate_noise(specimen() + noise) == pytest.approx(7, rel=0.05)
    assert fit_noise(specimen() + noise).slope < 0.3


@pytest.mark.slow
def test_noise2void_learns_from_the_image_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("careamics", reason="requirements-noise2void.txt")
    monkeypatch.setattr(noise2void, "EPOCHS", 20)
    noise = 15 * np.random.default_rng(0).standard_normal((256, 256))
    restored = noise2void.noise2void(specimen() + noise + 300)
    assert np.std(restored - 300 - specimen()) < 0.6 * 15


def test_stabilised_noise_is_of_variance_one_and_the_inverse_has_no_bias() -> None:
    rng = np.random.default_rng(0)
    noise = NoiseModel(slope=4.0, constant=9.0 - 4.0 * 10)  # Read noise 3, offset 10.
    for photons in (2, 10, 60):
        mean = 4.0 * photons + 10
        values = 4.0 * rng.poisson(photons, 200_000) + 10
        values = values + 3 * rng.standard_normal(200_000)
        stable = stabilised(values, noise)
        assert stable.std() == pytest.approx(1, abs=0.06)
        denoised = inverse(np.array([stable.mean()]), noise)
        assert denoised[0] == pytest.approx(mean, abs=0.15)


def test_blind_strength_grows_with_the_noise() -> None:
    signal, rng = specimen(), np.random.default_rng(0)
    errors = []
    for sigma in (2, 20):
        noisy = signal + sigma * rng.standard_normal(signal.shape)
        smooth = GAUSSIAN.discrepancy(noisy)
        assert np.mean((smooth - noisy) ** 2) <= 1.1 * sigma**2
        oracle = GAUSSIAN.oracle(noisy, signal)
        assert np.mean((oracle - signal) ** 2) <= np.mean((smooth - signal) ** 2)
        errors.append(np.mean((smooth - signal) ** 2) / sigma**2)
    assert errors[1] < errors[0]


@pytest.mark.parametrize("blur_px", [(0.0, 0.0), (0.44, 0.9), (0.6, 0.6)])
def test_scanned_noise_keeps_its_variance_however_it_is_blurred(
    blur_px: tuple[float, float],
) -> None:
    """The gain is 127.5 counts for 100 electrons; the bright half is even."""
    clean = np.zeros((256, 256))
    clean[:, 128:] = 1
    pair = scanned("one", "blurred", clean, 100.0, blur_px)
    noise = (pair.noisy - pair.reference)[:, 140:-12]
    assert noise.std() == pytest.approx(1.275 * 10, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.5)


def test_what_was_scored_is_not_computed_again(tmp_path: Path) -> None:
    pair = simulated("one", specimen())
    calls = []

    def restore(given: Pair) -> np.ndarray:
        calls.append(given.name)
        return ndimage.gaussian_filter(given.noisy.astype(float), 1)

    path = tmp_path / "scores.jsonl"
    first = score_set("s", [pair], [Method("blur", "1", restore)], ScoreFile(path))
    path.write_text(path.read_text() + '{"key": "cut sho')
    again = score_set("s", [pair], [Method("blur", "1", restore)], ScoreFile(path))
    assert first == again
    assert calls == ["one"]
    score_set("s", [pair], [Method("blur", "2", restore)], ScoreFile(path))
    assert calls == ["one", "one"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_the_input_shows_the_autocorrelation_of_its_noise() -> None:
    pair = simulated("one", specimen())
    assert score(pair, pair.noisy).residual_lag1 == pytest.approx(0, abs=0.02)
    flat = np.full(pair.noisy.shape, pair.noisy.mean())
    assert score(pair, flat).residual_lag1 > 0.3
    assert score(pair, flat).gain_error == pytest.approx(-1)


def test_targets_are_met_by_the_reference_alone() -> None:
    pairs = [simulated(name, specimen()) for name in "ab"]
    blurred = {p.name: ndimage.gaussian_filter(p.noisy.astype(float), 1) for p in pairs}
    rows = [
        Row(
            pair.name,
            "group",
            {
                "noisy": score(pair, pair.noisy),
                "VST+BM3D": score(pair, blurred[pair.name]),
                "ours": score(pair, pair.reference),
            },
        )
        for pair in pairs
    ]
    results = {"fmd mixed": rows, "w2s": rows}
    assert not any("| no |" in line for line in target_table(results, "ours"))
    worse = [line for line in target_table(results, "noisy") if "| no |" in line]
    assert len(worse) == 3
    assert least_gain(rows, "VST+BM3D") > 0
    assert len(list(main_table(results))) == 2 + 2 * 3
    assert "group" in list(group_table(rows, "ours", "VST+BM3D"))[2]


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    eight_bit = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    imsave(path, eight_bit, check_contrast=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder as the benchmarks expect it, of small images."""
    rng = np.random.default_rng(0)
    clean = specimen()[:64, :64]
    mixed = tmp_path / "paired" / "fmd_testmix"
    fields = tmp_path / "paired" / "fmd_noise2fast"
    repeats = tmp_path / "repeated" / "fmd_confocal_bpae_b"
    for folder, name in ((mixed / "gt", "Cell.png"), (fields / "gt", "a.tif"),
                         (repeats / "gt_avg50", "01.png")):  # fmt: skip
        save(folder / name, clean)
    for i, place in enumerate((mixed / "raw/Cell_1.png", mixed / "raw/Cell_2.png",
                  fields / "raw/a.tif", repeats / "raw/01/f0.png",
                  repeats / "raw/01/f1.png")):  # fmt: skip
        save(place, clean + (5 + i) * rng.standard_normal(clean.shape))
    w2s = tmp_path / "paired" / "w2s"
    save(w2s / "gt_avg400" / "w2s_101_c0.tif", clean)
    save(w2s / "noisy_avg1" / "w2s_101_c0.tif", clean + rng.normal(0, 9, clean.shape))
    head = "fov,channel,scale_gt_to_noisy,offset_gt_to_noisy"
    (w2s / "w2s_pairs.csv").write_text(f"{head}\n101,0,1.0,0.0\n")
    save(tmp_path / "clean" / "bbbc039" / "n.tif", clean)
    save(tmp_path / "clean" / "axondeepseg_sem" / "s.png", specimen()[:128, :128])
    save(tmp_path / "clean" / "morpholibj" / "leaf_crop.tif", specimen()[:128, :128])
    live = tmp_path / "clean" / "lysosome_live_16bit"
    live.mkdir()
    movie = clean + rng.normal(0, 5, (3, 64, 64)) + 50
    stack = movie.astype(np.uint16)
    tifffile.imwrite(live / "1.tif", stack, photometric="minisblack")
    return tmp_path


def run(script: str, *arguments: str) -> str:
    path = Path(__file__).parents[2] / "benchmarks" / script
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_prints_every_table_and_goes_on(
    data: Path, tiny_file: Path
) -> None:
    scores, result = data / "scores.jsonl", data / "quality.json"
    where = ("--model", str(tiny_file), "--data", str(data), "--scores", str(scores))
    save_rival(data / "rival.safetensors", UNet(UNetConfig(width=4)))
    rival = f"U-Net={data / 'rival.safetensors'}"
    few = ("--methods", "Gaussian", "--rival", rival, "--json", str(result))
    few = (*few, "--float32")
    first = run("quality.py", *where, *few)
    for title in ("w2s", "fmd mixed", "fmd fields", "fmd repeats", "simulated nuclei",
                  "simulated sem", "simulated scanned", "simulated resampled",
                  "simulated processed", "simulated moved", "simulated bright",
                  "simulated variety", "Targets", "Published",
                  "Empty", "Repeated", "Flicker", "least gain"):  # fmt: skip
        assert title in first
    lines = scores.read_text().splitlines()
    assert run("quality.py", *where, *few) == first
    assert scores.read_text().splitlines() == lines
    shutil.rmtree(data / "clean" / "morpholibj")
    assert "simulated variety is left out" in run("quality.py", *where, *few)
    (row, _) = json.loads(result.read_text())["fmd mixed"]
    both = {"tiny", "tiny, float32"}
    assert set(row["scores"]) == {"noisy", "Gaussian", "U-Net", *both}
    assert row["scores"]["tiny"]["psnr"] != row["scores"]["tiny, float32"]["psnr"]


def test_models_of_each_number_of_reverse_steps_are_compared(
    data: Path, tiny_file: Path, tmp_path: Path
) -> None:
    stage1 = save_tiny(tmp_path, "first", stage=1)
    printed = run(
        "reverse_steps.py", str(tiny_file), "--data", str(data), "--stage1", str(stage1)
    )
    assert "| T | w2s | fmd mixed |" in printed
    assert "\n| 4 |" in printed


def test_the_ipr_is_compared_with_others(
    data: Path, tiny_file: Path, tmp_path: Path
) -> None:
    stage1 = save_tiny(tmp_path, "first", stage=1)
    printed = run(
        "ipr_honesty.py", "--model", str(tiny_file), "--data", str(data),
        "--stage1", str(stage1),
    )  # fmt: skip
    for title in ("own", "mean", "other set", "zero", "reference", "T = 1", "w2s"):
        assert title in printed
