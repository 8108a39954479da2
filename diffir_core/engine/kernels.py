"""The operations of a transformer block on channels-last images, (b, h, w, c).

The same mathematics as `diffir_core.nn.layers`, with the same parameters: 1x1
convolutions are matrix products over pixels, and layer normalisation runs over the
contiguous axis. Inference by strips and training both use them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from diffir_core.nn.layers import DynamicAttention, DynamicFeedForward, LayerNorm

_EPSILON = 1e-5
_NORM_EPSILON = 1e-12


def modulated(norm: LayerNorm, kernel: Tensor, x: Tensor) -> Tensor:
    """Normalise each pixel, then scale and shift by the halves of `kernel` (b, 2c)."""
    scale, shift = rearrange(kernel, "b (two c) -> two b 1 1 c", two=2)
    return torch.addcmul(shift, _normalise(norm, x), scale)


def _normalise(norm: LayerNorm, x: Tensor) -> Tensor:
    weight, bias = norm.body.weight, norm.body.bias
    if bias is not None:
        return F.layer_norm(x, weight.shape, weight, bias, _EPSILON)
    variance = x.var(dim=-1, keepdim=True, unbiased=False)
    return x * torch.rsqrt(variance + _EPSILON) * weight


def project(attention: DynamicAttention, x: Tensor, parts: slice) -> Tensor:
    """Give some of q, k, v (0, 1, 2) of `x`: (b, h, w, c * number of parts)."""
    c = x.shape[-1]
    rows = slice(parts.start * c, parts.stop * c)
    pointwise, depthwise = attention.qkv, attention.qkv_dwconv
    hidden = _pointwise(x, pointwise.weight[rows], _rows(pointwise.bias, rows))
    return _depthwise(hidden, depthwise.weight[rows], _rows(depthwise.bias, rows))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Give the pixels of each head: (b, heads, h * w, c / heads)."""
    return rearrange(x, "b h w (heads c) -> b heads (h w) c", heads=heads)


def attention_matrix(
    product: Tensor, q_square: Tensor, k_square: Tensor, temperature: Tensor
) -> Tensor:
    """Give softmax(temperature * q k^T / (|q| |k|)) from its sums over pixels.

    `product` is q k^T, (b, heads, c, c); the squares are those of |q| and |k|,
    (b, heads, c).
    """
    q_norm, k_norm = (
        square.sqrt().clamp_min(_NORM_EPSILON) for square in (q_square, k_square)
    )
    cosine = product / (q_norm[..., :, None] * k_norm[..., None, :])
    return (cosine * temperature).softmax(dim=-1)


def mix(attention: DynamicAttention, matrix: Tensor, v: Tensor) -> Tensor:
    """Mix the channels of `v` (b, h, w, c) by the attention matrix, and project."""
    mixed = rearrange(
        split_heads(v, attention.heads) @ matrix.transpose(-2, -1),
        "b heads (h w) c -> b h w (heads c)",
        h=v.shape[1],
    )
    out = attention.project_out
    return _pointwise(mixed, out.weight, out.bias)


def feed_forward(ffn: DynamicFeedForward, x: Tensor) -> Tensor:
    """Run the gated feed-forward on `x`, already normalised and modulated."""
    hidden = _pointwise(x, ffn.project_in.weight, ffn.project_in.bias)
    hidden = _depthwise(hidden, ffn.dwconv.weight, ffn.dwconv.bias)
    gate, value = hidden.chunk(2, dim=-1)
    out = ffn.project_out
    return _pointwise(F.gelu(gate) * value, out.weight, out.bias)


def _rows(bias: Tensor | None, rows: slice) -> Tensor | None:
    return None if bias is None else bias[rows]


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight[:, :, 0, 0], bias)


def _depthwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    image = x.permute(0, 3, 1, 2)
    convolved = F.conv2d(image, weight, bias, padding=1, groups=weight.shape[0])
    return convolved.permute(0, 2, 3, 1)
