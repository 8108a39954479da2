"""The fused training layers against the definition, in values and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from diffir_training.fused import fuse

from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS1


@pytest.mark.parametrize("layer_norm", ["WithBias", "BiasFree"])
@pytest.mark.parametrize("bias", [False, True])
def test_fused_equals_the_definition(layer_norm: str, bias: bool) -> None:
    config = ModelConfig.parse(
        dict(
            in_channels=1,
            out_channels=1,
            dim=8,
            num_blocks=(1, 1, 1, 1),
            num_refinement_blocks=1,
            n_encoder_res=1,
            layer_norm=layer_norm,
            bias=bias,
        )
    )
    torch.manual_seed(0)
    plain = DiffIRS1(config)
    fused = fuse(copy.deepcopy(plain))
    lq, gt = torch.rand(2, 2, 1, 24, 32).unbind()
    outputs = [network(lq, gt) for network in (plain, fused)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=0, atol=2e-6)
    for output in outputs:
        (output - gt).square().mean().backward()
    for (name, ours), theirs in zip(
        fused.named_parameters(), plain.parameters(), strict=True
    ):
        scale = float(theirs.grad.abs().max()) + 1e-12
        assert float((ours.grad - theirs.grad).abs().max()) < 2e-4 * scale, name
    assert fused.state_dict().keys() == plain.state_dict().keys()
