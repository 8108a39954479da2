"""A model with more blocks begins as the one it was grown from."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
import torch.nn.functional as functional
from grow_model import grown
from networks import TINY

from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_core.nn.dirformer import EvenPixels

NetworkT = TypeVar("NetworkT", DiffIRS1, DiffIRS2)


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


def test_a_network_that_enlarges_begins_by_interpolating_what_was_restored() -> None:
    network, config = tiny(DiffIRS2)
    enlarging = grown(network, config)
    image, start = torch.rand(1, 1, 32, 32), torch.randn(1, 256)
    restored = enlarging(image, noise=start)
    given, added = (
        functional.interpolate(one, scale_factor=2.0, mode="bilinear")
        for one in (image, network(image, noise=start) - image)
    )
    expected = given + EvenPixels()(added)
    inner = slice(3, -3)  # Beyond the border, layers see zeros.
    torch.testing.assert_close(restored[..., inner, inner], expected[..., inner, inner])
    restored.square().mean().backward()
    for parameter in enlarging.G.tail[-1].parameters():
        assert parameter.grad.abs().min() > 0


def test_stage_one_that_enlarges_begins_by_seeing_the_ground_truth_binned() -> None:
    network, config = tiny(DiffIRS1)
    lq, gt = torch.rand(1, 1, 32, 32), torch.rand(1, 1, 64, 64)
    binned = functional.avg_pool2d(gt, 2)
    torch.testing.assert_close(
        grown(network, config).extract_ipr(lq, gt), network.extract_ipr(lq, binned)
    )


def tiny(kind: type[NetworkT]) -> tuple[NetworkT, ModelConfig]:
    """Give a network that keeps the size, and the configuration that doubles it."""
    torch.manual_seed(0)
    network = kind(ModelConfig.parse(TINY))
    sr = network.config.replace(architecture="sr", scale=2, body_grid="input")
    return network, sr


def test_a_wider_network_is_refused() -> None:
    network = DiffIRS2(ModelConfig.parse(TINY))
    with pytest.raises(InputError, match="only num_blocks and num_refinement_blocks"):
        grown(network, network.config.replace(dim=16))


def test_growing_changes_nothing_but_the_size() -> None:
    config = ModelConfig.parse(TINY)
    network = DiffIRS2(config)
    for changes in (
        dict(n_denoise_res=3),
        dict(bias=True),
        dict(layer_norm="BiasFree"),
        dict(linear_end=0.5),
    ):
        with pytest.raises(InputError, match="more than its size"):
            grown(network, config.replace(**changes))
    torch.manual_seed(1)
    biased = DiffIRS2(config.replace(bias=True))
    deeper = grown(biased, biased.config.replace(num_blocks=(2, 2, 2, 2)))
    image, start = torch.rand(1, 1, 32, 32), torch.randn(1, 256)
    torch.testing.assert_close(deeper(image, noise=start), biased(image, noise=start))
