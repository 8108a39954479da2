"""Rivals of DiffIR are trained by its recipe, cost as much, and are scored alike."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffir_training.building import data_of
from diffir_training.devices import Devices
from diffir_training.fused import fuse
from diffir_training.recipe import Recipe
from image_quality.methods import of_rival
from image_quality.pairs import Pair
from rivals.costs import cost_of_model, multiply_adds_per_pixel, new_rival
from rivals.files import load_rival, save_rival
from rivals.networks import Kind, PlainDIRformer, UNet, UNetConfig, mirrored
from rivals.restoring import restore_with
from rivals.training import stretches, train

from diffir_core.errors import InputError

CPU = Devices(torch.device("cpu"), rank=0, processes=1)
KINDS: tuple[Kind, ...] = ("unet", "dirformer")
DRAWN = dict(kind="clean", sources=[dict(structure="puncta", images=2, size=96)])


@pytest.fixture
def drawn(recipe: Recipe) -> Recipe:
    return recipe.replace(data=dict(folder=recipe.data.folder, images=DRAWN))


def noisy_image() -> np.ndarray:
    return np.random.default_rng(0).poisson(30, (37, 51)).astype(np.uint16) + 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_rival_restores_the_same_after_loading(
    kind: Kind, drawn: Recipe, tmp_path: Path
) -> None:
    network = fuse(new_rival(kind, drawn.model))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    steps = list(train(drawn, network, stretches(drawn, 3), CPU))
    assert len(steps) == 3
    assert all(not torch.equal(v, before[n]) for n, v in network.state_dict().items())
    save_rival(tmp_path / "rival.safetensors", steps[-1].average)
    loaded = load_rival(tmp_path / "rival.safetensors")
    image = noisy_image()
    restored = restore_with(network, image)
    assert restored.shape == image.shape
    assert restored.dtype == np.float32
    # The one is fused and in channels-last memory, the other is not.
    np.testing.assert_allclose(restore_with(loaded, image), restored, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rival_is_scored_in_the_units_of_the_image(
    kind: Kind, drawn: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "rival.safetensors"
    narrow = UNet(UNetConfig(width=4))
    save_rival(path, narrow if kind == "unet" else PlainDIRformer(drawn.model))
    method = of_rival("ours", path)
    image = noisy_image()
    restored, brighter = (
        method.restore(Pair("one", "group", given, given))
        for given in (image, 3 * image + 50)
    )
    np.testing.assert_allclose(brighter, 3 * restored + 50, rtol=1e-4)


def test_the_unet_costs_what_the_model_costs(drawn: Recipe) -> None:
    cost = multiply_adds_per_pixel(new_rival("unet", drawn.model))
    assert 1 <= cost / cost_of_model(drawn.model) <= 1.3
    assert multiply_adds_per_pixel(torch.nn.Conv2d(1, 5, 3, padding=1)) == 45


def test_small_images_are_mirrored_again_and_again() -> None:
    line = mirrored(torch.arange(3.0).reshape(1, 1, 1, 3), 8)
    assert line[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert line.shape == (1, 1, 8, 8)


def test_a_rival_sees_the_batches_of_the_stages_that_restore(drawn: Recipe) -> None:
    whole = stretches(drawn)
    assert [(s.schedule.kind, s.schedule.steps, s.first) for s in whole] == [
        ("ground_truth", 6, 0),
        ("joint", 6, 10),
    ]
    assert [s.schedule.steps for s in stretches(drawn, 3)] == [1, 2]
    seen: list[torch.Tensor] = []
    network = PlainDIRformer(drawn.model)
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    part = replace(whole[1], schedule=whole[1].schedule.replace(steps=2))
    list(train(drawn, network, [part], CPU))
    assert len(seen) == 2
    data = data_of(drawn).training
    for number, noisy in enumerate(seen, start=10):
        assert torch.equal(noisy, data.batch(number, 32, range(2)).noisy)


def test_what_has_no_rivals_is_refused(drawn: Recipe) -> None:
    model = drawn.model.replace(architecture="sr", scale=2)
    with pytest.raises(InputError, match="'deblur' architecture"):
        new_rival("unet", model)


def test_the_command_trains_and_saves(drawn: Recipe, tmp_path: Path) -> None:
    recipe, output = tmp_path / "recipe.yaml", tmp_path / "new" / "unet.safetensors"
    recipe.write_text(drawn.to_yaml())
    script = Path(__file__).parents[2] / "benchmarks" / "train_rival.py"
    command = [sys.executable, str(script), str(recipe), "--network", "unet"]
    command += ["--output", str(output), "--steps", "3", "--device", "cpu"]
    done = subprocess.run(
        [*command, "--set", "loop.precision=bfloat16"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3/3  loss" in done.stdout
    assert load_rival(output).kind == "unet"
