"""A network under one IPR: all that depends on the IPR, folded into its weights.

With LN(x) = n(x) * g + b and the modulation k1, k2 of an IPR, a 1x1 convolution W after
both is ``W (n * g + b) * k1 + W k2 = (W diag(g k1)) n + (W (b k1 + k2))``: one matrix
product with other weights. The last row of a folded matrix is its bias, because
normalised pixels carry a one as their last channel. The centring of n(x) is not folded
too, although it is linear: the variance needs the centred pixels anyway, and a mean far
above the deviation would cancel badly in half precision.

The network is read, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from diffir_core.nn import DIRformer
from diffir_core.nn.layers import BlockStack, LayerNorm, TransformerBlock


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A 1x1 convolution with everything folded in, then a depthwise 3x3."""

    pointwise: Tensor
    """(c + 1, n); the last row is the bias."""
    taps: Tensor
    """(9, n): the depthwise 3x3 weights, row by row."""
    bias: Tensor | None
    """(n,) of the depthwise convolution."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FoldedBlock:
    """A transformer block under one IPR, in one precision."""

    qk: Projection
    v: Projection
    gated: Projection
    """Gate and value of the feed-forward, (c + 1, 2 h)."""
    out: Tensor
    """(h, c): the projection at the feed-forward's end."""
    out_bias: Tensor | None
    project: Tensor
    """(c, c) float32: the projection after attention, to be folded with its matrix."""
    project_bias: Tensor | None
    temperature: Tensor
    heads: int
    keeps_mean: bool
    """BiasFree normalisation: divided by the centred deviation, but not centred."""

    @property
    def channels(self) -> int:
        """Channels c of the residual stream."""
        return self.project.shape[0]

    @property
    def hidden(self) -> int:
        """Hidden channels h of the feed-forward."""
        return self.out.shape[0]

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self.out.dtype

    def mixing_matrix(self, attention: Tensor) -> Tensor:
        """Fold an attention matrix (heads, c / heads, c / heads) with the projection.

        Returns (c, c), to be multiplied from the right to pixels (n, c) of v.
        """
        heads = list(attention.to(self.project))
        mixed: Tensor = torch.block_diag(*heads)  # type: ignore[no-untyped-call]
        return (self.project @ mixed).t().contiguous().to(self.dtype)


FoldedNetwork = Mapping[str, FoldedBlock]
"""The folded blocks of a DIRformer by their names, such as 'encoder_level1.0'."""


def named_blocks(network: DIRformer) -> Iterator[tuple[str, TransformerBlock]]:
    """Give the transformer blocks by name, in no particular order."""
    for name, module in network.named_children():
        if isinstance(module, BlockStack):
            for index, block in enumerate(module):
                yield f"{name}.{index}", cast("TransformerBlock", block)


def fold(
    network: DIRformer, ipr: Tensor, dtype: torch.dtype = torch.float32
) -> dict[str, FoldedBlock]:
    """Fold `ipr` (ipr_length,) into every block; milliseconds, compared to an image."""
    return {n: fold_block(b, ipr, dtype) for n, b in named_blocks(network)}


def fold_block(block: TransformerBlock, ipr: Tensor, dtype: torch.dtype) -> FoldedBlock:
    """Fold `ipr` (ipr_length,) into one block; sums are taken in float32."""
    attention, ffn = block.attn, block.ffn
    c = attention.project_out.weight.shape[0]
    first = _modulation(block.norm1, attention.kernel(ipr))
    second = _modulation(block.norm2, ffn.kernel(ipr))

    def project(
        pointwise: nn.Conv2d, depthwise: nn.Conv2d, fold: _Fold, rows: slice
    ) -> Projection:
        bias = depthwise.bias
        return Projection(
            fold(pointwise, rows).to(dtype),
            depthwise.weight[rows].view(-1, 9).t().contiguous().to(dtype),
            None if bias is None else bias[rows].to(dtype),
        )

    return FoldedBlock(
        qk=project(attention.qkv, attention.qkv_dwconv, first, slice(0, 2 * c)),
        v=project(attention.qkv, attention.qkv_dwconv, first, slice(2 * c, 3 * c)),
        gated=project(ffn.project_in, ffn.dwconv, second, slice(None)),
        out=ffn.project_out.weight[:, :, 0, 0].t().contiguous().to(dtype),
        out_bias=ffn.project_out.bias,
        project=attention.project_out.weight[:, :, 0, 0],
        project_bias=attention.project_out.bias,
        temperature=attention.temperature,
        heads=attention.heads,
        keeps_mean=block.norm1.body.bias is None,
    )


_Fold = Callable[[nn.Conv2d, slice], Tensor]


def _modulation(norm: LayerNorm, kernel: Tensor) -> _Fold:
    """Give the function that folds a normalisation and a modulation into weights."""
    scale, shift = kernel.chunk(2)
    weight, bias = norm.body.weight, norm.body.bias
    total_shift = shift if bias is None else bias * scale + shift

    def fold_into(convolution: nn.Conv2d, rows: slice) -> Tensor:
        matrix = convolution.weight[rows, :, 0, 0]
        constant = matrix @ total_shift
        if convolution.bias is not None:
            constant = constant + convolution.bias[rows]
        return torch.cat([(matrix * (weight * scale)).t(), constant[None]]).contiguous()

    return fold_into
