"""A recorded step learns what a step of single kernels does."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from safetensors.torch import load_file


@pytest.mark.gpu
def test_a_recorded_step_learns_the_same(recipe: Recipe, tmp_path: Path) -> None:
    """All three stages, each recorded anew; sums run in another order."""
    weights = []
    for graphed in (False, True):
        loop = dict(device="cuda", cuda_graph=graphed)
        run = Trainer(recipe.replace(loop=loop), tmp_path / str(graphed)).run()
        weights.append(load_file(run))
    for name, expected in weights[0].items():
        assert (weights[1][name] - expected).abs().max() < 5e-4, name
