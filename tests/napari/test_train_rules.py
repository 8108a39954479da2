"""Training in napari: the rules, without Qt."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from diffir_training import images as training_images
from diffir_training.degradations import CameraNoise
from diffir_training.recipe import Recipe
from tiny_runs import blobs, outcome, saved, saved_step, tiny_recipe

from diffir_core import load_model
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS2
from diffir_core.stacks.source import open_source
from napari_diffir._camera import CameraChoice, degraded_picture
from napari_diffir._crops import clean_crop
from napari_diffir._layer_files import LayerImage, write_images
from napari_diffir._presets import GENTLER, NETWORKS, PRESETS
from napari_diffir._recipes import file_recipe, preset_recipe
from napari_diffir._run_folder import extended, history, measurements
from napari_diffir._run_warnings import warning
from napari_diffir._scripting import Failure
from napari_diffir._training_images import CleanImages
from napari_diffir._training_state import TrainingState
from napari_diffir._training_steps import (
    Job,
    Pace,
    RunControl,
    Stopped,
    training_steps,
)


@pytest.mark.parametrize(
    ("losses", "psnrs", "word"),
    [
        ([], [], ""),
        ([1.0, 0.9, 0.8, 0.85], [20, 21, 22, 21.6], ""),
        ([1.0, 0.2, 0.59], [], ""),
        ([1.0, 0.2, 0.61], [], "diverges"),
        ([1.0, math.nan], [], "diverges"),
        ([1.0, 0.8, 0.6, 0.5, 0.4, 0.3], [20, 22, 22, 21.4], "by heart"),
        ([0.4, 0.4, 0.4, 0.5, 0.6, 0.6], [20, 22, 22, 21.4], ""),
    ],
)
def test_warnings(losses: list[float], psnrs: list[float], word: str) -> None:
    sentence = warning(tuple(enumerate(losses)), tuple(enumerate(psnrs)))
    assert word in sentence
    assert bool(word) == bool(sentence)


def test_a_new_stage_with_another_loss_is_no_divergence() -> None:
    state = TrainingState(losses=((10, 0.01), (20, 0.01), (30, 0.4)), stage_start=20)
    assert state.warning == ""
    state.stage_start = 0
    assert "diverges" in state.warning


def test_state_tells_its_observers() -> None:
    state, heard = TrainingState(), list[Any]()
    state.events.phase.connect(heard.append)
    state.events.losses.connect(heard.append)
    state.phase = "running"
    state.losses = extended(((1, 0.5), (2, 0.4), (3, 0.3)), 2, 0.25)
    state.phase = "running"
    assert heard == ["running", ((1, 0.5), (2, 0.25))]


def test_the_singletons_outlive_the_losses_of_pyside() -> None:
    from napari_diffir._pyside import spare_references

    if spare_references():
        assert spare_references()  # Not twice.
        counts = [sys.getrefcount(value) for value in (None, True, False)]
        assert all(1 << 28 < count < 1 << 30 for count in counts)


def test_pace_leaves_other_stages_out() -> None:
    pace = Pace()
    assert pace.seconds_left(10) is None
    pace.add("ground_truth", 100.0, 1)
    pace.add("joint", 4.0, 1)
    pace.add("joint", 2.0, 1)
    assert pace.seconds_left(10) == pytest.approx(30.0)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_say_their_cost(tmp_path: Path, network: str) -> None:
    images = CleanImages(LayerImage(blobs(), "ZYX"))
    recipe = preset_recipe(tmp_path, preset="quick", network=network, images=images)
    parameters = DiffIRS2(recipe.model).parameters()
    assert sum(p.numel() for p in parameters) == NETWORKS[network].parameters


def test_a_shipped_model_is_trained_on_gently_and_its_card_goes_along(
    tmp_path: Path,
) -> None:
    images = CleanImages(LayerImage(blobs(), "ZYX"))
    recipe = preset_recipe(
        tmp_path / "mine",
        preset="quick",
        network="fluo-denoise, trained on",
        images=images,
    )
    assert recipe.start.stage2 == "fluo-denoise"
    rates = [stage["learning_rate"] for stage in PRESETS["quick"].stages]
    assert [s.learning_rate for s in recipe.stages] == [GENTLER * r for r in rates]
    before = load_model("fluo-denoise").card
    assert recipe.card is not None
    assert before is not None
    assert recipe.card.name == "mine"
    assert recipe.card.keeps_local_mean
    assert recipe.card.figures == {}
    assert before.licence
    assert (recipe.card.licence, recipe.card.intended_use) == ("", "")
    assert recipe.card.citation == before.citation
    assert set(before.training_data) < set(recipe.card.training_data)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_recipes_for_one_channel(tmp_path: Path, preset: str) -> None:
    camera = CameraChoice(photons=30, read_noise=2, offset=0.1)
    images = CleanImages(LayerImage(blobs(), "ZYX"), camera)
    recipe = preset_recipe(tmp_path, preset=preset, network="small, new", images=images)
    assert [stage.kind for stage in recipe.stages][-1] == "joint"
    assert recipe.model.in_channels == 1
    assert recipe.noise.photons == (10.0, 90.0)
    assert Recipe.from_yaml(saved(recipe, tmp_path / "r.yaml")) == recipe
    (_, planes), *_ = training_images.open_clean(recipe.data.images, recipe.data.folder)
    assert len(planes) == 4


def test_published_schedule_adds_up() -> None:
    steps = {"ground_truth": 0, "estimation": 0, "joint": 0}
    for stage in PRESETS["paper"].stages:
        steps[stage["kind"]] += stage["steps"]
    assert steps == {"ground_truth": 300_000, "estimation": 100_000, "joint": 300_000}


def test_layers_are_written_with_axes_and_planes_last(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    write_images(
        tmp_path,
        {
            "clean": LayerImage(blobs().transpose(1, 0, 2), "YZX"),
            "colour": LayerImage(rgb, "YXS"),
        },
    )
    source = open_source(tmp_path / "images" / "clean.tif")
    assert source.metadata.axes == "ZYX"
    source.close()
    assert np.array_equal(tifffile.imread(tmp_path / "images/clean.tif"), blobs())
    parts = [tmp_path / "images" / f"colour{end}.tif" for end in ("", "_held_back")]
    colour = np.concatenate([tifffile.imread(part) for part in parts], axis=-1)
    assert np.array_equal(colour, np.moveaxis(rgb, -1, 0))


def test_images_that_cannot_train_are_explained(tmp_path: Path) -> None:
    holes = np.full((32, 32), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN"):
        write_images(tmp_path, {"clean": LayerImage(holes, "YX")})
    with pytest.raises(InputError, match="no image"):
        CleanImages(tmp_path).prepare(tmp_path / "run")


def test_recipe_files_find_their_images(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path / "run")
    moved = recipe.replace(data=recipe.data.replace(folder=Path("run/images")))
    path = saved(moved, tmp_path / "recipe.yaml")
    assert file_recipe(tmp_path, path=path).data.folder == recipe.data.folder


def test_the_picture_shows_the_noise_of_the_sliders() -> None:
    # Dim flat light, which nothing clips; the signal of clean = 1 has 1.1 * 40 photons.
    dim, photons, read, offset = 0.3, 40, 3, 0.1
    choice = CameraChoice(photons, read, offset)
    picture = degraded_picture(np.full((256, 256), dim, np.float32), choice)
    # In photons, the variance is that of Poisson light plus that of the electronics.
    spread = math.sqrt(photons * (dim + 0.1) + read**2) / (photons * 1.1)
    level = (dim + 0.1) / 1.1
    white = offset + 1.2 * 0.6
    # 65536 samples know the deviation to 0.3 %; truncated to 8 bits, half a unit less.
    assert picture.std() == pytest.approx(spread * 0.6 / white * 255, rel=0.02)
    mean = (offset + level * 0.6) / white * 255 - 0.5
    assert picture.mean() == pytest.approx(mean, abs=0.5)


def test_the_ranges_hold_the_chosen_camera() -> None:
    choice = CameraChoice(photons=7, read_noise=2.5, offset=0.2)
    noise = CameraNoise(**choice.ranges())
    for (low, high), value in (
        (noise.photons, 7),
        (noise.read_noise, 2.5),
        (noise.black_level, 0.2),
    ):
        assert low <= value <= high


def test_crops_come_from_the_middle_in_model_units() -> None:
    stack = np.zeros((3, 300, 280), np.uint16)
    stack[1] = blobs(1, 300)[0][:, :280]
    (crop,) = clean_crop(LayerImage(stack, "ZYX"))
    assert crop.shape == (256, 256)
    assert np.percentile(crop, 99.8) == pytest.approx(1.0, abs=0.01)
    assert clean_crop(LayerImage(stack[1].T, "XY"))[0].shape == (256, 256)


def test_stopping_and_closing_keep_a_checkpoint_and_errors_are_values(
    tmp_path: Path,
) -> None:
    control = RunControl()
    work = training_steps(Job(tmp_path, tiny_recipe), control)
    for _ in range(4):
        next(work)
    control.stopped.set()
    assert outcome(work) == Stopped(saved_step(tmp_path))
    again = training_steps(Job(tmp_path, tiny_recipe), RunControl())
    failure = outcome(again)
    assert isinstance(failure, Failure)
    assert "press Resume" in str(failure.error)
    before = saved_step(tmp_path)
    resumed = training_steps(Job(tmp_path, tiny_recipe, is_resumed=True), RunControl())
    for _ in range(4):
        next(resumed)
    resumed.close()
    assert saved_step(tmp_path) > before


def test_models_without_a_checkpoint_keep_their_images(tmp_path: Path) -> None:
    (tmp_path / "stage2.safetensors").write_bytes(b"of weeks")

    def replacing(folder: Path) -> Recipe:
        raise AssertionError(folder)

    failure = outcome(training_steps(Job(tmp_path, replacing), RunControl()))
    assert isinstance(failure, Failure)
    assert "stage2.safetensors is already there" in str(failure.error)


@pytest.mark.parametrize(
    "torn", ["joint,1", "joi", "joint,9,0.1,1,1,", "joint,1joint,2"]
)
def test_a_torn_line_does_not_hide_a_run(tmp_path: Path, torn: str) -> None:
    head = "stage,step,loss,learning_rate,seconds,waiting_percent\n"
    (tmp_path / "log.csv").write_text(f"{head}joint,5,0.1,1,1,1\n{torn}")
    assert history(tmp_path).losses == ((5, 0.1),)
    head = "stage,step,psnr_db,ssim,input_psnr_db,is_best\n"
    whole = "joint,5,21,0.5,20,True\n"
    (tmp_path / "validation.csv").write_text(f"{head}{whole}{torn}")
    assert [one.step for one in measurements(tmp_path)] == [5]
    swallowed = f"{head}joint,1{whole}{whole}"
    (tmp_path / "validation.csv").write_text(swallowed)
    assert [one.step for one in measurements(tmp_path)] == [5]
