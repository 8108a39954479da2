"""The DIRformer: a U-shaped transformer under the guidance of an IPR."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffir_core.config import ModelConfig
from diffir_core.nn.layers import (
    BlockStack,
    Downsample,
    PatchEmbed,
    TransformerBlock,
    Upsample,
)


class DIRformer(nn.Module):
    """Restore an image under an IPR (DiffIR, section 3.2, figure 2 a).

    ::

        embed - level1 ------------------------------ cat - level1 - refinement - end
                  down - level2 ---------- cat - level2 - up
                           down - level3 - cat - level3 - up
                                    down - latent - up

    `end` predicts a residual (deblur), a residual after pixel shuffling (sr), or
    the image itself (inpainting).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, bias = config.dim, config.bias
        blocks = config.num_blocks
        embedded = config.in_channels * config.body_unshuffle**2
        self.patch_embed = PatchEmbed(embedded, dim)

        self.encoder_level1 = self._blocks(dim, 0, blocks[0])
        self.down1_2 = Downsample(dim)
        self.encoder_level2 = self._blocks(dim * 2, 1, blocks[1])
        self.down2_3 = Downsample(dim * 2)
        self.encoder_level3 = self._blocks(dim * 4, 2, blocks[2])
        self.down3_4 = Downsample(dim * 4)
        self.latent = self._blocks(dim * 8, 3, blocks[3])

        self.up4_3 = Upsample(dim * 8)
        self.reduce_chan_level3 = nn.Conv2d(dim * 8, dim * 4, 1, bias=bias)
        self.decoder_level3 = self._blocks(dim * 4, 2, blocks[2])
        self.up3_2 = Upsample(dim * 4)
        self.reduce_chan_level2 = nn.Conv2d(dim * 4, dim * 2, 1, bias=bias)
        self.decoder_level2 = self._blocks(dim * 2, 1, blocks[1])
        self.up2_1 = Upsample(dim * 2)
        # Level 1 keeps the 2C channels of the concatenation to its end.
        self.decoder_level1 = self._blocks(dim * 2, 0, blocks[0])
        if config.num_refinement_blocks:
            self.refinement = self._blocks(dim * 2, 0, config.num_refinement_blocks)
        if config.architecture == "sr":
            self.tail = _sr_tail(config)
        else:
            self.output = nn.Conv2d(
                dim * 2, config.out_channels, 3, padding=1, bias=bias
            )

    def _blocks(self, channels: int, level: int, count: int) -> BlockStack:
        config = self.config
        return BlockStack(
            TransformerBlock(
                channels,
                config.heads[level],
                config.hidden_width(channels),
                ipr_length=config.ipr_length,
                bias=config.bias,
                layer_norm=config.layer_norm,
            )
            for _ in range(count)
        )

    def forward(self, lq: Tensor, ipr: Tensor) -> Tensor:
        """Restore `lq` (b, in_channels, h, w) under `ipr` (b, ipr_length).

        h and w are multiples of `config.size_multiple`; the output is
        (b, out_channels, h * scale, w * scale), not clamped.
        """
        level1 = self.embed(lq)
        level1 = self.encoder_level1(level1, ipr)
        level2 = self.encoder_level2(self.down1_2(level1), ipr)
        level3 = self.encoder_level3(self.down2_3(level2), ipr)
        latent = self.latent(self.down3_4(level3), ipr)

        x = torch.cat([self.up4_3(latent), level3], dim=1)
        x = self.decoder_level3(self.reduce_chan_level3(x), ipr)
        x = torch.cat([self.up3_2(x), level2], dim=1)
        x = self.decoder_level2(self.reduce_chan_level2(x), ipr)
        x = torch.cat([self.up2_1(x), level1], dim=1)
        x = self.decoder_level1(x, ipr)
        if self.config.num_refinement_blocks:
            x = self.refinement(x, ipr)
        return self.end(x, lq)

    def embed(self, lq: Tensor) -> Tensor:
        """Give the features of level 1 before its first block."""
        return self.patch_embed(F.pixel_unshuffle(lq, self.config.body_unshuffle))  # type: ignore[no-any-return]

    def end(self, x: Tensor, lq: Tensor) -> Tensor:
        """Turn the last features into the restored image."""
        if self.config.architecture == "inpainting":
            return self.output(x)  # type: ignore[no-any-return]
        if self.config.architecture == "deblur":
            return self.output(x) + lq  # type: ignore[no-any-return]
        return self.tail(x) + enlarged(lq, self.config)  # type: ignore[no-any-return]


def enlarged(lq: Tensor, config: ModelConfig) -> Tensor:
    """Give what the tail's residual is added to: `lq` at the size of the result.

    Interpolated, a pixel depends on its direct neighbours alone, and on itself in
    their place at the border.
    """
    if config.scale == 1:
        return lq
    mode = "nearest" if config.body_grid == "release" else "bilinear"
    return F.interpolate(lq, scale_factor=float(config.scale), mode=mode)


class EvenPixels(nn.Module):
    """Take away what alternates from pixel to pixel, and hardly anything else.

    Pixel shuffling draws such patterns beside bright spots. The filter is the kernel
    (-1, 4, 10, 4, -1) / 16 along both axes, which is 0 at the frequency of the pixels
    and 3/4 at half of it (the cure: Sugawara et al., ICIP 2018); borders repeat.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x` (b, c, h, w)."""
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        for axis, size in ((-2, x.shape[-2]), (-1, x.shape[-1])):
            a, b, c, d, e = (padded.narrow(axis, start, size) for start in range(5))
            padded = (10 * c + 4 * (b + d) - (a + e)) / 16
        return padded


def _sr_tail(config: ModelConfig) -> nn.Sequential:
    """Give a pixel shuffle for each doubling of the body's size: x4 as released."""
    dim, doubling = config.dim, list[nn.Module]()
    for _ in range(config.tail_scale.bit_length() - 1):
        doubling += [nn.Conv2d(dim * 2, dim * 8, 3, padding=1), nn.PixelShuffle(2)]
    last = nn.Conv2d(dim * 2, config.out_channels, 3, padding=1)
    even = [EvenPixels()] if config.body_grid == "input" else []
    return nn.Sequential(nn.Sequential(*doubling), last, *even)
