"""Faster layers for training: the same mathematics on channels-last memory.

`diffir_core.nn` defines the network and reads like the paper; these subclasses share
its parameters and compute the same values with fewer passes over memory. A test holds
their outputs and gradients against the definition. In here images are (b, h, w, c).
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from diffir_core.nn.layers import (
    DynamicAttention,
    DynamicFeedForward,
    LayerNorm,
    TransformerBlock,
)

_EPSILON = 1e-5
_NORM_EPSILON = 1e-12

Network = TypeVar("Network", bound=nn.Module)


class FusedTransformerBlock(TransformerBlock):
    """A transformer block whose 1x1 convolutions are matrix products over pixels."""

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Transform `x` (b, c, h, w) under the guidance of `ipr`."""
        x = x.permute(0, 2, 3, 1)
        x = x + _attend(self.attn, _modulated(self.norm1, self.attn.kernel(ipr), x))
        x = x + _feed_forward(self.ffn, _modulated(self.norm2, self.ffn.kernel(ipr), x))
        return x.permute(0, 3, 1, 2)


def _modulated(norm: LayerNorm, kernel: Tensor, x: Tensor) -> Tensor:
    scale, shift = rearrange(kernel, "b (two c) -> two b 1 1 c", two=2)
    return torch.addcmul(shift, _normalise(norm, x), scale)


def _normalise(norm: LayerNorm, x: Tensor) -> Tensor:
    weight, bias = norm.body.weight, norm.body.bias
    if bias is not None:
        return F.layer_norm(x, weight.shape, weight, bias, _EPSILON)
    variance = x.var(dim=-1, keepdim=True, unbiased=False)
    return x * torch.rsqrt(variance + _EPSILON) * weight


def _attend(attention: DynamicAttention, x: Tensor) -> Tensor:
    """Divide the small matrix q k^T by the norms, instead of q and k by their own."""
    q, k, v = (
        rearrange(part, "b h w (heads c) -> b heads (h w) c", heads=attention.heads)
        for part in _depthwise(
            attention.qkv_dwconv, _pointwise(attention.qkv, x)
        ).chunk(3, dim=-1)
    )
    q_norm, k_norm = (
        part.square().sum(-2).sqrt().clamp_min(_NORM_EPSILON) for part in (q, k)
    )
    cosine = q.transpose(-2, -1) @ k / (q_norm[..., :, None] * k_norm[..., None, :])
    weights = (cosine * attention.temperature).softmax(dim=-1)
    mixed = rearrange(
        v @ weights.transpose(-2, -1),
        "b heads (h w) c -> b h w (heads c)",
        h=x.shape[1],
    )
    return _pointwise(attention.project_out, mixed)


def _feed_forward(ffn: DynamicFeedForward, x: Tensor) -> Tensor:
    hidden = _depthwise(ffn.dwconv, _pointwise(ffn.project_in, x))
    gate, value = hidden.chunk(2, dim=-1)
    return _pointwise(ffn.project_out, F.gelu(gate) * value)


def _pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return F.linear(x, conv.weight[:, :, 0, 0], conv.bias)


def _depthwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def fuse(network: Network) -> Network:
    """Give `network` faster blocks and channels-last weights, in place; also return it.

    Parameters, their names and the state dict stay what they were.
    """
    for module in network.modules():
        if type(module) is TransformerBlock:
            module.__class__ = FusedTransformerBlock
    return network.to(memory_format=torch.channels_last)
