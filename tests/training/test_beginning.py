"""Stage 1 beside a trained DIRformer begins with the mean IPR of what that one saw."""

from __future__ import annotations

import torch
from diffir_training.beginning import begin_at
from diffir_training.building import first_network
from diffir_training.recipe import Recipe
from networks import TINY

from diffir_core import load_model
from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS1


def test_a_new_cpen_can_begin_at_any_ipr_and_learns() -> None:
    torch.manual_seed(0)
    network = DiffIRS1(ModelConfig.parse(TINY))
    wanted = torch.linspace(-2, 3, network.config.ipr_length)
    begin_at(network, wanted)
    lq, gt = torch.rand(2, 2, 1, 32, 32)
    found = network.extract_ipr(lq, gt)
    torch.testing.assert_close(found, wanted.expand(2, -1))
    found.square().sum().backward()
    assert network.E.mlp[2].weight.grad.abs().max() > 0


def test_stage_one_beside_a_shipped_model_begins_by_restoring_as_it_does(
    recipe: Recipe,
) -> None:
    shipped = load_model("fluo-denoise")
    trained_on = recipe.replace(model=shipped.config, start=dict(stage2="fluo-denoise"))
    assert shipped.statistics is not None
    lq, gt = torch.rand(2, 1, 1, 64, 64)
    mean = torch.from_numpy(shipped.statistics.mean)[None]
    torch.testing.assert_close(
        first_network(trained_on)(lq, gt), shipped.network.restore(lq, mean)
    )
