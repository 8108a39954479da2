"""The building blocks of the DIRformer (DiffIR, section 3.2 and figure 2).

Notation: `b c h w` batch, channels, height, width; `n` = h w pixels. `ipr` is the IR
prior representation, (b, ipr_length). These modules are the definition of the network;
faster equivalents elsewhere are tested against them. Parameter names are those of the
official checkpoints, so that a state dict needs no translation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from diffir_core.config import LayerNormKind

_EPSILON = 1e-5


class _NormBody(nn.Module):
    """Parameters of a layer normalisation; `bias` exists for the WithBias kind only."""

    def __init__(self, channels: int, kind: LayerNormKind) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        with_bias = kind == "WithBias"
        self.bias = nn.Parameter(torch.zeros(channels)) if with_bias else None


class LayerNorm(nn.Module):
    """Normalise each pixel over its channels: (b, c, h, w) -> (b, c, h, w).

    WithBias: ``(x - mean) / sqrt(var + eps) * weight + bias``. BiasFree: the variance
    is centred but the numerator is not, ``x / sqrt(var + eps) * weight``.
    """

    def __init__(self, channels: int, kind: LayerNormKind) -> None:
        super().__init__()
        self.body = _NormBody(channels, kind)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`."""
        weight, bias = self.body.weight, self.body.bias
        pixels = rearrange(x, "b c h w -> b h w c")
        variance = pixels.var(dim=-1, keepdim=True, unbiased=False)
        deviation = torch.sqrt(variance + _EPSILON)
        if bias is None:
            normalised = pixels / deviation * weight
        else:
            mean = pixels.mean(dim=-1, keepdim=True)
            normalised = (pixels - mean) / deviation * weight + bias
        return rearrange(normalised, "b h w c -> b c h w")


def modulate(x: Tensor, kernel: Tensor) -> Tensor:
    """Scale and shift each channel by the halves of `kernel` (b, 2c); paper eq. 3."""
    scale, shift = rearrange(kernel, "b (two c) -> two b c 1 1", two=2)
    return x * scale + shift  # type: ignore[no-any-return]


class DynamicAttention(nn.Module):
    """Dynamic multi-head transposed attention (DMTA): channels attend to channels.

    Attention is one (c / heads, c / heads) matrix per head, summed over all pixels:
    its cost is linear in the image and its matrix is global.
    """

    def __init__(self, channels: int, heads: int, ipr_length: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.kernel = nn.Sequential(nn.Linear(ipr_length, 2 * channels, bias=False))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(
            3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias
        )
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Attend: `x` (b, c, h, w) normalised, `ipr` (b, ipr_length)."""
        x = modulate(x, self.kernel(ipr))
        q, k, v = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        mixed = channel_attention(q, k, v, self.temperature)
        return self.project_out(mixed)  # type: ignore[no-any-return]


def channel_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """Mix the channels of `v` by the cosine similarity of those of `q` and `k`.

    q, k, v are (b, heads * c, h, w); temperature is (heads, 1, 1); no 1/sqrt(d).
    """
    heads, height = temperature.shape[0], q.shape[-2]
    q, k, v = (
        rearrange(part, "b (heads c) h w -> b heads c (h w)", heads=heads)
        for part in (q, k, v)
    )
    cosine = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
    mixed = (cosine * temperature).softmax(dim=-1) @ v
    return rearrange(mixed, "b heads c (h w) -> b (heads c) h w", h=height)


class DynamicFeedForward(nn.Module):
    """Dynamic gated feed-forward network (DGFN): GELU(a) * b of a depthwise 3x3."""

    def __init__(self, channels: int, hidden: int, ipr_length: int, bias: bool) -> None:
        super().__init__()
        self.kernel = nn.Sequential(nn.Linear(ipr_length, 2 * channels, bias=False))
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(
            2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias
        )
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Transform `x` (b, c, h, w) normalised, `ipr` (b, ipr_length)."""
        x = modulate(x, self.kernel(ipr))
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * value)  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """One dynamic transformer block: attention, then feed-forward, each a residual."""

    def __init__(
        self,
        channels: int,
        heads: int,
        hidden: int,
        *,
        ipr_length: int,
        bias: bool,
        layer_norm: LayerNormKind,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(channels, layer_norm)
        self.attn = DynamicAttention(channels, heads, ipr_length, bias)
        self.norm2 = LayerNorm(channels, layer_norm)
        self.ffn = DynamicFeedForward(channels, hidden, ipr_length, bias)

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Transform `x` (b, c, h, w) under the guidance of `ipr`."""
        x = x + self.attn(self.norm1(x), ipr)
        return x + self.ffn(self.norm2(x), ipr)  # type: ignore[no-any-return]


class BlockStack(nn.ModuleList):
    """Transformer blocks in a row, all under the same IPR."""

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Run the blocks in order."""
        for block in self:
            x = block(x, ipr)
        return x


class PatchEmbed(nn.Module):
    """3x3 convolution from image channels to the width of level 1."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Embed `x`."""
        return self.proj(x)  # type: ignore[no-any-return]


class Downsample(nn.Module):
    """Halve the size and double the channels: (b, c, h, w) -> (b, 2c, h/2, w/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False),
            nn.PixelUnshuffle(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Resample `x`."""
        return self.body(x)  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Double the size and halve the channels: (b, c, h, w) -> (b, c/2, 2h, 2w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
            nn.PixelShuffle(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Resample `x`."""
        return self.body(x)  # type: ignore[no-any-return]
