"""A model with more blocks begins as the one it was grown from."""

from __future__ import annotations

import pytest
import torch
from grow_model import grown
from networks import TINY

from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS2


def test_a_grown_network_computes_the_same_and_can_learn() -> None:
    torch.manual_seed(0)
    network = DiffIRS2(ModelConfig.parse(TINY))
    larger = network.config.replace(num_blocks=(2, 1, 2, 3), num_refinement_blocks=2)
    image, start = torch.rand(1, 1, 32, 32), torch.randn(1, 256)
    deeper = grown(network, larger)
    assert len(deeper.G.latent) == 3
    restored = deeper(image, noise=start)
    torch.testing.assert_close(restored, network(image, noise=start))
    restored.square().mean().backward()
    assert deeper.G.latent[2].ffn.project_out.weight.grad.abs().max() > 0


def test_a_wider_network_is_refused() -> None:
    network = DiffIRS2(ModelConfig.parse(TINY))
    with pytest.raises(InputError, match="only num_blocks and num_refinement_blocks"):
        grown(network, network.config.replace(dim=16))
