"""Every recipe is valid, and a small one of its kind trains on images of its kind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffir_training.recipe import Recipe
from diffir_training.schedules import DEBLUR_SIZES, OFFICIAL_SCHEDULES
from diffir_training.trainer import Trainer
from skimage.io import imsave

from diffir_core import PRESETS, load_model
from diffir_core.models import shipped_models

FOLDER = Path(__file__).parents[2] / "training" / "recipes"
OURS = sorted(FOLDER.glob("*.yaml"))
OFFICIAL = sorted((FOLDER / "official").glob("*.yaml"))
SHIPPED = sorted((FOLDER / "shipped").glob("*.yaml"))
BENCHMARKS = sorted((FOLDER.parents[1] / "benchmarks" / "recipes").glob("*.yaml"))
TINY = dict(
    dim=8, num_blocks=[1, 1, 1, 1], heads=[1, 1, 2, 2], cpen_features=8, n_encoder_res=0
)
Write = Callable[[Path, str, int], None]


@pytest.mark.parametrize("path", OURS + OFFICIAL + SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_is_whole_and_a_small_one_of_its_kind_trains(
    path: Path, tmp_path: Path
) -> None:
    """The recipe's own kind of data, degradations and stages, with a tiny network."""
    recipe = Recipe.from_yaml(path)
    assert recipe.name == path.stem
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe
    values = copy.deepcopy(recipe.model_dump(mode="json"))
    refinement = min(1, recipe.model.num_refinement_blocks)
    values["model"] |= TINY | {"num_refinement_blocks": refinement}
    values["data"]["folder"] = tmp_path
    values["data"]["images"] |= _images(recipe, tmp_path)
    if values.pop("start")["stage1"]:  # Nothing to start from here.
        values["stages"].insert(0, {"kind": "ground_truth"})
    for stage in values["stages"]:
        stage |= dict(steps=1, batch=2, patch_size=64, sizes=None)
    if values["validation"]:
        values["validation"] |= dict(steps=2, patches=2, patch_size=64)
    values["loop"]["workers"] = 0
    values |= dict(log_steps=1, checkpoint_steps=2, statistics_patches=2)
    trained = Trainer(Recipe.parse(values), tmp_path / "run").run()
    model = load_model(trained)
    assert model.stage == 2
    assert model.config.architecture == recipe.model.architecture
    if recipe.validation:
        assert (tmp_path / "run" / "best.safetensors").is_file()
        assert (tmp_path / "run" / "validation.csv").is_file()
        assert list((tmp_path / "run" / "previews").glob("*.png"))


@pytest.mark.parametrize("path", OURS + BENCHMARKS, ids=lambda path: path.stem)
def test_a_recipe_that_begins_with_a_shipped_model_has_its_network(path: Path) -> None:
    recipe = Recipe.from_yaml(path)
    if recipe.start.stage2 in shipped_models():
        config = load_model(recipe.start.stage2).config
        assert config.replace(task=recipe.model.task) == recipe.model


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_recipe_of_a_benchmark_can_be_read(path: Path) -> None:
    assert Recipe.from_yaml(path).name == path.stem


def _images(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write images of the kind that a recipe takes; give where they are."""
    channels = recipe.model.out_channels
    kind = recipe.data.images.kind
    if kind == "clean":
        _write(folder / "clean", channels, 2)
        axes = "YXS" if channels == 3 else None
        return dict(sources=[dict(pattern="clean/*.png", axes=axes)])
    if kind == "paired":
        _write(folder / "noisy", channels, 2)
        _write(folder / "clean", channels, 2)
        return dict(noisy="noisy/*.png", clean="clean/*.png")
    for field in ("a", "b"):
        _write(folder / "fields" / field, channels, 3)
    return dict(pattern="fields/*")


def _write(folder: Path, channels: int, count: int) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        image = generator.gamma(2, 30, (150, 140, channels)).clip(0, 255)
        imsave(folder / f"{i}.png", np.squeeze(image).astype(np.uint8))


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_an_official_recipe_has_the_released_network(path: Path) -> None:
    name = path.stem.removesuffix("-v1").removesuffix("-v2")
    assert Recipe.from_yaml(path).model == PRESETS[name]


@pytest.mark.parametrize(
    ("name", "stage", "schedule"),
    [
        ("deblur", 0, "deblur stage 1"),
        ("deblur", 1, "deblur estimation"),
        ("deblur", 2, "deblur joint"),
        ("srgan-x4", 0, "sr"),
        ("srgan-x4", 1, "sr"),
        ("srgan-x2", 2, "srgan adversarial"),
        ("realsr-x1-v2", 0, "sr"),
        ("realsr-x4-v1", 1, "realsr estimation"),
        ("realsr-x4-v1", 2, "realsr joint"),
        ("realsr-x2-v2", 3, "realsr adversarial"),
        ("inpainting-places2", 1, "inpainting"),
    ],
)
def test_an_official_recipe_has_the_released_rates(
    name: str, stage: int, schedule: str
) -> None:
    """Those that the goldens hold, see test_schedules."""
    recipe = Recipe.from_yaml(FOLDER / "official" / f"{name}.yaml")
    assert recipe.stages[stage].rate == OFFICIAL_SCHEDULES[schedule]


def test_the_deblur_recipe_grows_its_patches_as_released() -> None:
    """Batches are for eight GPUs; estimation takes 100,000 steps of stage 2."""
    stages = Recipe.from_yaml(FOLDER / "official" / "deblur.yaml").stages
    for step in (0, 92_000, 250_000, 299_999):
        size, batch = DEBLUR_SIZES["stage 1"].at(step)
        assert stages[0].size_at(step) == (size, 8 * batch)
    for step in (0, 49_999, 50_000, 170_000, 299_999):
        size, batch = DEBLUR_SIZES["stage 2"].at(100_000 + step)
        assert stages[2].size_at(step) == (size, 8 * batch)
