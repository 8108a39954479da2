"""What was measured stays: a restored image has the local mean of the raw one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import diffir_core as diffir
from diffir_core import RestoreOptions
from diffir_core.card import ModelCard
from diffir_core.engine.local_mean import REACH_PX, restore_local_mean
from diffir_core.model import Model

KEPT = RestoreOptions(keep_local_mean=True, output_dtype="float32")
FREE = RestoreOptions(keep_local_mean=False, output_dtype="float32")


def photons(height: int = 150, width: int = 203) -> NDArray[np.uint16]:
    """Give counts of light that rises from left to right."""
    light = np.linspace(20, 400, width) * np.ones((height, 1))
    return np.random.default_rng(0).poisson(light).astype(np.uint16)


def smoothed(image: NDArray[np.generic]) -> NDArray[np.float64]:
    return gaussian_filter(image.astype(float), 12.0)


def test_a_model_that_changes_brightness_no_longer_does(tiny: Model) -> None:
    raw = photons()
    free, kept = (
        diffir.restore(raw, tiny, axes="YX", options=options)
        for options in (FREE, KEPT)
    )
    wrong, left = (
        np.abs(smoothed(image) - smoothed(raw)).mean() for image in (free, kept)
    )
    assert left < 0.15 * wrong
    change = kept - free
    roughness = np.abs(np.diff(change, axis=1)).max()
    assert roughness < 0.1 * np.abs(change).max()  # Nothing but a smooth field came in.


def test_a_hot_pixel_leaves_no_glow(identity: Model) -> None:
    raw = np.full((96, 96), 100.0, np.float32)
    raw += np.random.default_rng(1).normal(0, 5, raw.shape).astype(np.float32)
    restored = np.full((1, 96, 96), 0.5, np.float32)
    hot = (raw[None] - 90) / 20
    hot[0, 48, 48] = 3000.0
    usual = restored.copy()
    restore_local_mean(lambda rows: ((raw[None] - 90) / 20)[:, rows], usual)
    restore_local_mean(lambda rows: hot[:, rows], restored)
    assert np.abs(restored - usual).max() < 0.002


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 300), (301, 37)])
def test_a_constant_error_of_any_shape_vanishes(height: int, width: int) -> None:
    raw = np.full((2, height, width), 0.3, np.float32)
    restored = raw + np.float32([0.1, -0.2])[:, None, None]
    restore_local_mean(lambda rows: raw[:, rows], restored)
    assert np.abs(restored - raw).max() < 1e-6


def test_an_enlarged_image_is_corrected_at_its_own_place() -> None:
    raw = np.zeros((1, 128, 128), np.float32)
    raw[:, 32:96, 64:] = 1.0
    restored = np.kron(raw, np.ones((1, 2, 2), np.float32)) * np.float32(0.7)
    restore_local_mean(lambda rows: raw[:, rows], restored, scale=2)
    binned = restored.reshape(1, 128, 2, 128, 2).mean(axis=(2, 4))
    inside = binned[0, 56:72, 88:104]
    assert np.abs(inside - 1).max() < 0.04
    assert np.abs(binned[0, :8, :30]).max() < 0.01


def test_what_is_far_does_not_matter() -> None:
    rng, border = np.random.default_rng(2), 160
    raw, other = rng.random((2, 1, 80, 260)).astype(np.float32)
    other[..., :border] = raw[..., :border]
    results = []
    for image in (raw, other):
        restored = 0.5 * image
        restore_local_mean(lambda rows, image=image: image[:, rows], restored)
        results.append(restored)
    same = border - REACH_PX
    assert np.array_equal(results[0][..., :same], results[1][..., :same])
    assert not np.array_equal(results[0][..., :border], results[1][..., :border])


def test_crops_under_a_frozen_state_fit_the_whole(tiny: Model) -> None:
    image = photons(220, 360)
    whole = diffir.restore(image, tiny, axes="YX", options=KEPT)
    state = diffir.freeze(image, tiny, axes="YX", options=KEPT)
    region = (75, 140, 101, 190)
    crop = diffir.render(image, tiny, state, region=region, options=KEPT)
    expected = whole[75:140, 101:190]
    assert np.abs(crop - expected).max() < 1e-4 * whole.std()


def test_the_card_decides_unless_asked(tiny: Model) -> None:
    raw = photons()
    keeping = replace(tiny, card=ModelCard(keeps_local_mean=True))
    plain = RestoreOptions(output_dtype="float32")
    for model, expected in ((tiny, FREE), (keeping, KEPT)):
        by_card = diffir.restore(raw, model, axes="YX", options=plain)
        asked = diffir.restore(raw, tiny, axes="YX", options=expected)
        assert np.array_equal(by_card, asked)


def test_integers_are_rounded_once_and_clipping_is_counted(tiny: Model) -> None:
    raw = photons()
    exact = diffir.restore(raw, tiny, axes="YX", options=KEPT)
    options = RestoreOptions(keep_local_mean=True)
    rounded, report = diffir.restore(
        raw, tiny, axes="YX", options=options, return_report=True
    )
    assert np.array_equal(rounded, np.clip(np.rint(exact), 0, 65535))
    assert report.keeps_local_mean
    assert report.clipped_values == int((np.rint(exact) < 0).sum())


def test_samples_keep_it_too(tiny: Model) -> None:
    raw = photons(96, 96)
    options = RestoreOptions(keep_local_mean=True)
    mean, _ = diffir.restore_samples(
        raw, tiny, axes="YX", samples=3, kind="symmetries", options=options
    )
    assert np.abs(smoothed(mean) - smoothed(raw)).mean() < 2.0


def test_super_resolution_keeps_it() -> None:
    network = random_network(
        architecture="sr", scale=2, layer_norm="BiasFree", num_refinement_blocks=1
    )
    model = Model(network, network.config, None, "random", "random")
    raw = photons(96, 112)
    kept = diffir.restore(raw, model, axes="YX", options=KEPT)
    binned = kept.reshape(96, 2, 112, 2).mean(axis=(1, 3))
    assert np.abs(smoothed(binned) - smoothed(raw)).mean() < 0.05 * raw.mean()
