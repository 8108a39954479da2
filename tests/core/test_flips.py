"""The mean of all four flips, which a model's card may ask for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from diffir_training.degradations.correlated_noise import blurred_noise
from networks import random_network

import diffir_core as diffir
from diffir_core import RestoreOptions
from diffir_core._shared_weights import write_card
from diffir_core.card import ModelCard
from diffir_core.engine.restorer import Restorer
from diffir_core.errors import (
    CheckpointError,
    DiffIRError,
    InputError,
    OutputExistsError,
)
from diffir_core.metrics import psnr
from diffir_core.model import Model
from diffir_core.models import shipped_models
from diffir_core.samples import sample_path
from diffir_core.stacks.file_run import restore_file_steps

MEAN = RestoreOptions(average_flips=True)
LARGE = "fluo-denoise-large"


def photons(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(60, shape).astype(np.float32)


@pytest.fixture(scope="module")
def averaging(tiny: Model) -> Model:
    """The same weights under a card that asks for the mean."""
    return replace(tiny, card=ModelCard(averages_flips=True))


@pytest.mark.parametrize("shape", [(96, 72), (64, 8)])
def test_it_is_the_mean_of_four_restorations(
    tiny: Model, shape: tuple[int, int]
) -> None:
    """Of flipped arrays, which know nothing of planes and tiles."""
    image = photons(*shape)
    options = RestoreOptions(ipr=diffir.extract_ipr(image, tiny, axes="YX"))
    each = [
        diffir.restore(image[::y, ::x], tiny, axes="YX", options=options)[::y, ::x]
        for y in (1, -1)
        for x in (1, -1)
    ]
    mean, report = diffir.restore(
        image,
        tiny,
        axes="YX",
        options=options.replace(average_flips=True),
        return_report=True,
    )
    expected = np.mean(each, axis=0)
    assert np.abs(mean - expected).max() < 1e-5 * expected.std()
    assert report.averages_flips
    assert np.abs(mean - each[0]).max() > 1e-3 * expected.std()


@pytest.mark.parametrize("shape", [(1, 1), (37, 51), (75, 190)])
def test_planes_of_any_size(averaging: Model, shape: tuple[int, int]) -> None:
    mean = diffir.restore(photons(*shape), averaging, axes="YX")
    assert mean.shape == shape
    assert np.isfinite(mean).all()


def test_samples_are_no_means(averaging: Model) -> None:
    _, spread = diffir.restore_samples(
        photons(64, 48), averaging, axes="YX", samples=3, kind="symmetries"
    )
    assert spread.max() > 0


def test_where_a_scan_correlates_noise_the_mean_is_no_worse() -> None:
    """A turned plane has that noise along Y, which no training has shown."""
    truth = tifffile.imread(sample_path("reference"), key=8).astype(np.float64)
    rng = np.random.default_rng(0)
    light = 40 * (truth - truth.min()) / np.ptp(truth)
    noise = blurred_noise(rng.poisson(light) - light, (0.4, 0.9))
    noisy = (1000 + 50 * (light + noise)).astype(np.float32)
    scores = []
    for model in (diffir.load_model(name) for name in ("fluo-denoise", LARGE)):
        restored = diffir.restore(noisy, model, axes="YX")
        scores.append(psnr(restored, 1000 + 50 * light, 2000))
    assert scores[0] > psnr(noisy, 1000 + 50 * light, 2000) + 4
    assert scores[1] > scores[0]


def test_tiles_channels_and_enlarging_models(averaging: Model, tmp_path: Path) -> None:
    image = photons(150, 170)
    whole = diffir.restore(image, averaging, axes="YX")
    tiled = diffir.restore(image, averaging, axes="YX", options=RestoreOptions(tile=16))
    assert np.abs(tiled - whole).max() < 1e-4 * whole.std()
    stack = np.stack([image, image[::-1]]).astype(np.uint16)
    planes = diffir.restore(stack, averaging, axes="CYX")
    for number in range(2):
        alone = diffir.restore(stack[number], averaging, axes="YX")
        assert np.abs(planes[number].astype(int) - alone).max() <= 1
    diffir.save_model(
        tmp_path / "sr.safetensors", random_network(architecture="sr", scale=2)
    )
    enlarging = diffir.load_model(tmp_path / "sr.safetensors")
    large = diffir.restore(image[:45, :61], enlarging, axes="YX", options=MEAN)
    assert large.shape == (90, 122)
    assert np.isfinite(large).all()


def test_regions_of_a_frozen_plane_equal_the_whole(averaging: Model) -> None:
    image = photons(190, 230)
    state = diffir.freeze(image, averaging, axes="YX")
    whole = diffir.restore(image, averaging, axes="YX")
    for region in [(0, 40, 0, 40), (90, 131, 77, 140), (160, 190, 190, 230)]:
        crop = diffir.render(image, averaging, state, region=region)
        expected = whole[region[0] : region[1], region[2] : region[3]]
        assert np.abs(crop - expected).max() < 3e-4 * whole.std()


def test_a_state_of_one_flip_is_refused_for_the_mean(
    tiny: Model, averaging: Model
) -> None:
    image = photons(64, 64)
    state = diffir.freeze(image, tiny, axes="YX")
    with pytest.raises(InputError, match="without the mean of flips"):
        diffir.render(image, averaging, state)
    state = diffir.freeze(image, averaging, axes="YX")  # Which knows the one, too.
    once = diffir.render(image, tiny, state)
    assert np.abs(once - diffir.restore(image, tiny, axes="YX")).max() < 1e-3


def test_a_stack_that_shares_its_attention(averaging: Model) -> None:
    stack = photons(3, 64, 64)
    options = RestoreOptions(ipr_scope="stack", attention_scope="stack")
    shared = diffir.restore(stack, averaging, axes="ZYX", options=options)
    state = diffir.freeze(stack, averaging, axes="ZYX")
    rendered = diffir.render(stack[2], averaging, state)
    assert np.abs(rendered - shared[2]).max() < 1e-3


def test_its_memory_is_in_the_plan(tiny: Model) -> None:
    once, mean = (Restorer(tiny, o) for o in (RestoreOptions(), MEAN))
    for one in (once, mean):
        one.memory.limit_bytes = None
    least, more = (one.memory.of_planes(800, 400, 1).peak_bytes for one in (once, mean))
    assert more - least >= 2 * 4 * 800 * 400


def test_progress_goes_up_to_one(averaging: Model) -> None:
    restorer = Restorer(averaging, RestoreOptions())
    image = photons(1, 64, 64)
    ipr = restorer.ipr_from(np.zeros(256, np.float32), "")
    plane = diffir.engine.planes.array_plane(image, averaging.config, image.copy())
    seen = list(restorer.restore([restorer.job(plane, ipr)]))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


def test_the_same_weights_under_another_card_do_not_go_on_with_a_run(
    tiny: Model, averaging: Model, tmp_path: Path
) -> None:
    source, result = tmp_path / "a.ome.tif", tmp_path / "out.ome.tif"
    values = photons(5, 64, 64).astype(np.uint16)
    tifffile.imwrite(source, values, ome=True, metadata={"axes": "ZYX"})
    steps = restore_file_steps(source, result, tiny)
    while next(steps).planes_done < 1:
        pass
    steps.close()
    with pytest.raises(DiffIRError, match="averages_flips was false and is true"):
        diffir.restore_file(source, result, averaging, resume=True)
    diffir.restore_file(source, result, tiny, resume=True)
    with pytest.raises(OutputExistsError, match="averages_flips"):
        diffir.restore_file(source, result, averaging, resume=True)


def test_a_file_may_name_another_for_its_weights(
    tiny_file: Path, tmp_path: Path
) -> None:
    weights = Path(shutil.copy(tiny_file, tmp_path / "weights.safetensors"))
    card = ModelCard(name="other", averages_flips=True)
    write_card(tmp_path / "other.safetensors", weights, card)
    other, theirs = (
        diffir.load_model(tmp_path / f"{name}.safetensors")
        for name in ("other", "weights")
    )
    assert (other.card, other.fingerprint) == (card, theirs.fingerprint)
    assert (tmp_path / "other.safetensors").stat().st_size < 10_000
    weights.rename(tmp_path / "elsewhere.safetensors")
    with pytest.raises(CheckpointError, match=r"put weights\.safetensors beside it"):
        diffir.load_model(tmp_path / "other.safetensors")


def test_the_best_model_that_ships_is_the_mean_of_the_default() -> None:
    large, default = (diffir.load_model(name) for name in (LARGE, "fluo-denoise"))
    assert large.card is not None
    assert large.card.averages_flips
    assert large.card.name == large.name == large.source == LARGE
    assert large.fingerprint == default.fingerprint
    assert shipped_models()[LARGE].stat().st_size < 20_000
