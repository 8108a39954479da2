"""A CARE-style U-Net, and the DIRformer without what DiffIR adds to it: its IPR."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from diffir_core._base import FrozenConfig
from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn import DIRformer
from diffir_core.nn.padding import pad_to_multiple

Kind = Literal["unet", "dirformer"]


class UNetConfig(FrozenConfig):
    """Everything needed to build a U-Net."""

    channels: int = Field(1, ge=1)
    """Of the image, noisy and restored."""
    width: int = Field(32, ge=1)
    """Features of the first level; each level below has twice as many."""
    depth: int = Field(3, ge=1)
    """How often the image is halved."""


class UNet(nn.Module):
    """Restore an image as CARE does (Weigert et al., 2018): the U-Net of CSBDeep.

    Two 3x3 convolutions with ReLU a level, max-pooling, nearest-neighbour upsampling
    and concatenation; the result is added to the input. No normalisation.
    """

    kind: ClassVar[Kind] = "unet"

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, width = config.channels, config.width
        widths = [width << level for level in range(config.depth)]
        self.encoder = nn.ModuleList(
            _level(given, own, own)
            for given, own in zip([channels, *widths], widths, strict=False)
        )
        self.bottom = _level(widths[-1], 2 * widths[-1], widths[-1])
        self.decoder = nn.ModuleList(
            _level(2 * own, own, max(own // 2, width)) for own in reversed(widths)
        )
        self.output = nn.Conv2d(width, channels, 1)
        self.apply(_start_as_keras)

    def forward(self, image: Tensor) -> Tensor:
        """Restore `image` (b, channels, h, w) of any size."""
        height, width = image.shape[-2:]
        padded = mirrored(image, 1 << self.config.depth)
        x, skipped = padded, []
        for level in self.encoder:
            x = level(x)
            skipped.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for level in self.decoder:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = level(torch.cat([x, skipped.pop()], dim=1))
        restored: Tensor = padded + self.output(x)
        return restored[..., :height, :width]


class PlainDIRformer(nn.Module):
    """The DIRformer of a DiffIR under one learnt IPR, the same for every image.

    Its dynamic layers thereby become ordinary ones, with a scale and a shift a channel.
    """

    kind: ClassVar[Kind] = "dirformer"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.architecture != "deblur":
            raise InputError(
                f"Only the 'deblur' architecture has rivals, not "
                f"'{config.architecture}'; name another recipe."
            )
        self.config = config
        self.G = DIRformer(config)
        # Of variance 1: the scales and shifts then begin with one of 1/3. Zeros would
        # begin with scales of 0, and learn slowly.
        self.ipr = nn.Parameter(torch.randn(1, config.ipr_length))

    def forward(self, image: Tensor) -> Tensor:
        """Restore `image` (b, channels, h, w) of any size."""
        height, width = image.shape[-2:]
        ipr = self.ipr.expand(len(image), -1)
        restored: Tensor = self.G(pad_to_multiple(image, self.config), ipr)
        return restored[..., :height, :width]


Rival = UNet | PlainDIRformer


def mirrored(image: Tensor, multiple: int) -> Tensor:
    """Mirror an image at its right and bottom, as often as it takes, to a multiple."""
    for axis in (-2, -1):
        size = image.shape[axis]
        position = torch.arange(-(-size // multiple) * multiple, device=image.device)
        position = position % max(2 * size - 2, 1)
        index = torch.where(position < size, position, 2 * size - 2 - position)
        image = image.index_select(axis, index)
    return image


def _level(given: int, middle: int, own: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, middle, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(middle, own, 3, padding=1),
        nn.ReLU(),
    )


def _start_as_keras(module: nn.Module) -> None:
    """Draw the weights as CARE's framework does; torch's own are too small for ReLU."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
