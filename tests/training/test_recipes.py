"""Every recipe is valid, and every one for microscopy trains."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import tifffile
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer

from diffir_core import load_model

FOLDER = Path(__file__).parents[2] / "training" / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
TINY = dict(
    dim=8, num_blocks=[1, 1, 1, 1], heads=[1, 1, 2, 2], cpen_features=8, n_encoder_res=0
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_whole_and_a_small_one_of_its_kind_trains(
    path: Path, tmp_path: Path
) -> None:
    """The recipe's own data, degradations and stages, with a tiny network."""
    recipe = Recipe.from_yaml(path)
    assert recipe.name == path.stem
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe
    generator = np.random.default_rng(0)
    for i in range(2):
        image = generator.gamma(2, 300, (150, 140)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{i}.tif", image)
    values = copy.deepcopy(recipe.model_dump(mode="json"))
    refinement = min(1, recipe.model.num_refinement_blocks)
    values["model"] |= TINY | {"num_refinement_blocks": refinement}
    images = dict(kind="clean", sources=[dict(pattern="*.tif")])
    values["data"] = dict(folder=tmp_path, images=images)
    for stage in values["stages"]:
        stage |= dict(steps=2, batch=2, patch_size=64)
    if values["validation"]:
        values["validation"] |= dict(steps=2, patches=2, patch_size=64)
    values |= dict(log_steps=1, checkpoint_steps=2)
    trained = Trainer(Recipe.parse(values), tmp_path / "run").run()
    model = load_model(trained)
    assert model.stage == 2
    assert model.config.architecture == recipe.model.architecture
    if recipe.validation:
        assert (tmp_path / "run" / "best.safetensors").is_file()
        assert (tmp_path / "run" / "validation.csv").is_file()
        assert list((tmp_path / "run" / "previews").glob("*.png"))
