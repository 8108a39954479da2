"""Sharp images with little noise keep their structure; noisy ones are denoised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

import diffir_core as diffir
from diffir_core import RestoreOptions
from diffir_core.card import ModelCard
from diffir_core.engine import blocks
from diffir_core.engine.fine_structure import REACH_PX, give_back_fine_structure
from diffir_core.errors import InputError
from diffir_core.model import Model

Image = NDArray[np.float32]
KEPT = RestoreOptions(keep_fine_structure=True, output_dtype="float32")
FREE = RestoreOptions(keep_fine_structure=False, output_dtype="float32")


def walls(photons: float) -> tuple[Image, NDArray[np.uint16]]:
    """Give cells whose walls are a pixel thin, and a camera's image of them."""
    rng = np.random.default_rng(3)
    seeds = rng.uniform(0, 160, (220, 2))
    grid = np.stack(np.mgrid[:160, :160], -1)[..., None, :]
    first, second = np.sort(np.square(grid - seeds).sum(-1), axis=-1)[..., :2].T
    wall = np.exp(-np.square(np.sqrt(second) - np.sqrt(first)))
    expected = photons * (0.1 + 0.9 * wall.T) + 100
    noisy = rng.poisson(expected - 100) + 100 + rng.normal(0, 1.5, expected.shape)
    return expected.astype(np.float32), np.rint(noisy).astype(np.uint16)


def quality_db(image: NDArray[np.generic], truth: Image) -> float:
    ends = float(np.ptp(truth))
    return float(peak_signal_noise_ratio(truth, image, data_range=ends))


def given_back(raw: Image, restored: Image) -> Image:
    changed = restored.copy()
    give_back_fine_structure(lambda rows: raw[:, rows], changed)
    return changed


@pytest.mark.parametrize("photons", [100, 1000])
def test_walls_a_pixel_thin_are_not_lost(photons: float) -> None:
    truth, noisy = walls(photons)
    model = replace(diffir.load_model("fluo-denoise"), card=None)
    restored = diffir.restore(noisy, model, axes="YX", options=FREE)
    kept = diffir.restore(noisy, model, axes="YX", options=KEPT)
    assert quality_db(restored, truth) < quality_db(noisy, truth) - 0.3
    assert quality_db(kept, truth) > quality_db(noisy, truth) - 1.5


def test_the_shipped_denoiser_keeps_it_by_itself() -> None:
    _, noisy = walls(1000)
    model = diffir.load_model("fluo-denoise")
    restored, report = diffir.restore(noisy, model, axes="YX", return_report=True)
    assert report.keeps_fine_structure
    asked = diffir.restore(noisy, model, axes="YX", options=KEPT)
    assert np.abs(restored - asked).max() <= 0.5


def test_noise_does_not_come_back() -> None:
    rng = np.random.default_rng(4)
    smooth = gaussian_filter(rng.random((1, 128, 128)), (0, 4, 4)).astype(np.float32)
    noise = rng.normal(0, 0.05, smooth.shape).astype(np.float32)
    change = given_back(smooth + noise, smooth) - smooth
    assert change.std() < 0.01 * noise.std()


def test_what_was_removed_of_sharp_structure_comes_back() -> None:
    sharp = np.random.default_rng(5).random((2, 90, 131)).astype(np.float32)
    half = 0.5 * sharp
    left = np.abs(given_back(sharp, half) - sharp).mean()
    assert left < 0.1 * np.abs(half - sharp).mean()


def test_a_hot_pixel_does_not_come_back() -> None:
    raw = np.random.default_rng(6).random((1, 64, 64)).astype(np.float32)
    restored, hot = 0.6 * raw, raw.copy()
    hot[0, 30, 30] = 30.0
    usual, changed = given_back(raw, restored), given_back(hot, restored)
    assert changed[0, 30, 30] == restored[0, 30, 30]
    assert np.abs(changed - usual).max() < 0.7


def test_an_untouched_plane_stays() -> None:
    raw = np.random.default_rng(7).random((1, 33, 50)).astype(np.float32)
    assert np.array_equal(given_back(raw, raw), raw)
    flat = np.full((1, 20, 20), 0.5, np.float32)
    assert np.array_equal(given_back(flat, flat), flat)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 300), (301, 37), (64, 64)])
def test_strips_do_not_show(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, part = np.random.default_rng(8).random((2, 1, height, width), np.float32)
    restored = 0.5 * raw + 0.2 * part
    whole = given_back(raw, restored)
    monkeypatch.setattr(blocks, "_STRIP_BLOCKS", 2)
    assert np.array_equal(given_back(raw, restored), whole)


def test_what_is_far_does_not_matter() -> None:
    border = 160
    raw, other, part = np.random.default_rng(9).random((3, 1, 80, 260), np.float32)
    other[..., :border] = raw[..., :border]
    first, second = (
        given_back(image, 0.5 * image + 0.3 * part) for image in (raw, other)
    )
    same = border - REACH_PX
    assert np.array_equal(first[..., :same], second[..., :same])
    assert not np.array_equal(first[..., :border], second[..., :border])


def test_crops_under_a_frozen_state_fit_the_whole(tiny: Model) -> None:
    image = walls(300)[1]
    options = KEPT.replace(keep_local_mean=True)
    whole = diffir.restore(image, tiny, axes="YX", options=options)
    state = diffir.freeze(image, tiny, axes="YX", options=options)
    region = (75, 140, 21, 90)
    crop = diffir.render(image, tiny, state, region=region, options=options)
    assert np.abs(crop - whole[75:140, 21:90]).max() < 1e-4 * whole.std()


def test_the_card_decides_unless_asked(tiny: Model) -> None:
    _, noisy = walls(300)
    keeping = replace(tiny, card=ModelCard(keeps_fine_structure=True))
    plain = RestoreOptions(output_dtype="float32")
    for model, expected in ((tiny, FREE), (keeping, KEPT)):
        by_card = diffir.restore(noisy, model, axes="YX", options=plain)
        asked = diffir.restore(noisy, tiny, axes="YX", options=expected)
        assert np.array_equal(by_card, asked)


def test_a_larger_result_is_refused() -> None:
    model = diffir.load_model("fluo-sr-x2")
    with pytest.raises(InputError, match="2 times as large"):
        diffir.restore(walls(300)[1], model, axes="YX", options=KEPT)
