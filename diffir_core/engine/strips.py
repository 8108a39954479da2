"""Exact restoration of a plane of any size, strip by strip of rows.

Inside a transformer block only three things are global: the sums q k^T, |q|^2 and
|k|^2 over all pixels. So each block runs twice over strips: once for the sums, in
float64, and once for the product and the feed-forward. The wide hidden activations
exist for one strip at a time; the residual stream is kept whole. Nothing is
approximated and there are no seams: strips share the rows their convolutions reach.

Every function here is a generator that yields the work done after each strip, so that
whoever runs it can show progress, and stop between two strips by closing it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from diffir_core.engine.kernels import (
    attention_matrix,
    feed_forward,
    mix,
    modulated,
    project,
    split_heads,
)
from diffir_core.engine.tiling import cut_strips
from diffir_core.nn import CPEN, DIRformer
from diffir_core.nn.layers import BlockStack, TransformerBlock

Work = Generator[float, None, Tensor]
"""Yields work done, in units of pixels times channels; returns the image."""

HALO_ROWS = 2
_Q_AND_K, _V = slice(0, 2), slice(2, 3)
_STRIP_BYTES = 16_000_000


class AttentionSums(NamedTuple):
    """The sums over pixels that a block's attention needs, per head, in float64."""

    product: Tensor
    q_square: Tensor
    k_square: Tensor


class StripRunner:
    """Run a DIRformer over strips of at most `rows` rows; None chooses by size."""

    def __init__(self, rows: int | None = None) -> None:
        self.rows = rows
        self.strips_done = 0

    def restore(self, network: DIRformer, lq: Tensor, ipr: Tensor) -> Work:
        """Restore `lq` (1, in_channels, h, w), as `network(lq, ipr)` would."""
        net = network
        level1 = yield from self._blocks(net.encoder_level1, net.embed(lq), ipr)
        level2 = yield from self._blocks(net.encoder_level2, net.down1_2(level1), ipr)
        level3 = yield from self._blocks(net.encoder_level3, net.down2_3(level2), ipr)
        x = yield from self._blocks(net.latent, net.down3_4(level3), ipr)

        x = net.reduce_chan_level3(torch.cat([net.up4_3(x), level3], dim=1))
        x = yield from self._blocks(net.decoder_level3, x, ipr)
        x = net.reduce_chan_level2(torch.cat([net.up3_2(x), level2], dim=1))
        x = yield from self._blocks(net.decoder_level2, x, ipr)
        x = torch.cat([net.up2_1(x), level1], dim=1)
        del level1, level2, level3
        x = yield from self._blocks(net.decoder_level1, x, ipr)
        if net.config.num_refinement_blocks:
            x = yield from self._blocks(net.refinement, x, ipr)
        return net.end(x, lq)

    def _blocks(self, blocks: BlockStack, x: Tensor, ipr: Tensor) -> Work:
        x = x.permute(0, 2, 3, 1).contiguous()
        for block in blocks:
            x = yield from self._block(cast("TransformerBlock", block), x, ipr)
        return x.permute(0, 3, 1, 2)

    def _block(self, block: TransformerBlock, x: Tensor, ipr: Tensor) -> Work:
        matrix = yield from self._attention(block, x, ipr)
        attention_kernel, ffn_kernel = block.attn.kernel(ipr), block.ffn.kernel(ipr)
        out = torch.empty_like(x)
        for strip in cut_strips(x.shape[1], self._rows(block, x), HALO_ROWS):
            part = x[:, strip.outer]
            v = project(block.attn, modulated(block.norm1, attention_kernel, part), _V)
            part = part + mix(block.attn, matrix, v)
            part = part + feed_forward(
                block.ffn, modulated(block.norm2, ffn_kernel, part)
            )
            out[:, strip.inner] = part[:, strip.local]
            yield self._done(out[:, strip.inner])
        return out

    def _attention(self, block: TransformerBlock, x: Tensor, ipr: Tensor) -> Work:
        """Give the attention matrix of a block, from sums over all its pixels."""
        kernel, sums = block.attn.kernel(ipr), None
        for strip in cut_strips(x.shape[1], self._rows(block, x), halo=1):
            part = modulated(block.norm1, kernel, x[:, strip.outer])
            both = project(block.attn, part, _Q_AND_K)[:, strip.local]
            q, k = (
                split_heads(half, block.attn.heads) for half in both.chunk(2, dim=-1)
            )
            some = _sums(q, k)
            sums = some if sums is None else AttentionSums(*map(torch.add, sums, some))
            yield self._done(both)
        if sums is None:
            raise ValueError("a plane without rows has no attention")
        return attention_matrix(*sums, block.attn.temperature).to(x.dtype)

    def _rows(self, block: TransformerBlock, x: Tensor) -> int:
        hidden = block.ffn.project_in.weight.shape[0]
        return self.rows or strip_rows(x.shape[2], hidden)

    def _done(self, part: Tensor) -> float:
        self.strips_done += 1
        return float(part.numel())


def _sums(q: Tensor, k: Tensor) -> AttentionSums:
    # Float64 keeps the sums of a large plane independent of how it was cut; the
    # devices of Apple have none.
    exact = torch.float32 if q.device.type == "mps" else torch.float64
    return AttentionSums(
        (q.transpose(-2, -1) @ k).to(exact),
        q.square().sum(-2).to(exact),
        k.square().sum(-2).to(exact),
    )


def strip_rows(width: int, hidden: int) -> int:
    """Give the rows of a strip whose widest tensor stays near 16 MB.

    Larger tensors are mapped and unmapped by the C library at every operation, which
    cost half of the time where it was measured.
    """
    return max(8, _STRIP_BYTES // (4 * width * hidden))


def pooled_features(cpen: CPEN, x: Tensor, rows: int | None = None) -> Tensor:
    """Give the average over all pixels that CPEN's last layers see, (1, ipr_length).

    `x` is (1, channels, h, w), already pixel-unshuffled; worked through in strips.
    """
    convolutions = [layer for layer in cpen.E.modules() if isinstance(layer, nn.Conv2d)]
    widest = max(layer.out_channels for layer in convolutions)
    exact = torch.float32 if x.device.type == "mps" else torch.float64
    total = torch.zeros(1, convolutions[-1].out_channels, dtype=exact, device=x.device)
    # Much less than the halo would be computed again and again.
    rows = rows or max(strip_rows(x.shape[-1], widest), 4 * len(convolutions))
    for strip in cut_strips(x.shape[-2], rows, halo=len(convolutions)):
        features = cpen.E(x[:, :, strip.outer])[:, :, strip.local]
        total += features.sum(dim=(-2, -1), dtype=exact)
    return (total / (x.shape[-2] * x.shape[-1])).to(x.dtype)


def total_work(network: DIRformer, height: int, width: int) -> float:
    """Give the work that `StripRunner.restore` will yield for a plane of this size."""
    config = network.config
    pixels = height * width / config.body_unshuffle**2
    blocks = config.num_blocks
    work = 0.0
    for level in range(4):
        channels = config.level_width(level)
        count = blocks[level] * (1 if level in (0, 3) else 2)
        work += 3 * count * channels * pixels / 4**level
    decoder = blocks[0] + config.num_refinement_blocks
    return work + 3 * decoder * 2 * config.dim * pixels


def predicted_peak_bytes(network: DIRformer, height: int, width: int) -> int:
    """Predict the working memory for a plane: residual stream, skips, and the end."""
    config = network.config
    pixels = height * width // config.body_unshuffle**2
    stream = 7 * config.dim * pixels
    if config.architecture == "sr":  # Two shuffled images of 2C channels at x4.
        stream = max(stream, 66 * config.dim * pixels)
    widest = 2 * config.hidden_width(2 * config.dim)
    return 4 * stream + 12 * min(_STRIP_BYTES, 4 * widest * pixels)
