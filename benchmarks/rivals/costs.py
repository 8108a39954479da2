"""What a network costs, and a U-Net that costs as much as a DiffIR."""

from __future__ import annotations

import copy
from bisect import bisect_left

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS2
from rivals.networks import Kind, PlainDIRformer, Rival, UNet, UNetConfig

_SIDE = 128
_WIDTHS = range(1, 513)


@torch.no_grad()
def multiply_adds_per_pixel(network: nn.Module, channels: int = 1) -> float:
    """Count the products of a network on a patch of 128 x 128 pixels, for each pixel.

    Parameters
    ----------
    network
        Takes an image (1, channels, h, w); on the CPU.
    channels
        Of the image.
    """
    # Without gradients of its own: the counter hooks into those it finds.
    network = copy.deepcopy(network).requires_grad_(False)
    device = next(network.parameters()).device
    image = torch.zeros(1, channels, _SIDE, _SIDE, device=device)
    with FlopCounterMode(display=False) as counter:
        network(image)
    return float(counter.get_total_flops() / 2 / _SIDE**2)


def cost_of_model(model: ModelConfig) -> float:
    """Give the multiply-adds a pixel of a DiffIR that restores: its stage 2."""
    return multiply_adds_per_pixel(DiffIRS2(model), model.in_channels)


def unet_as_costly_as(model: ModelConfig) -> UNetConfig:
    """Give the narrowest U-Net that costs no less than a DiffIR."""
    configs = [UNetConfig(channels=model.out_channels, width=w) for w in _WIDTHS]
    return configs[bisect_left(configs, cost_of_model(model), key=_cost_of_unet)]


def _cost_of_unet(config: UNetConfig) -> float:
    with torch.device("meta"):  # Counts, and computes nothing.
        return multiply_adds_per_pixel(UNet(config), config.channels)


def new_rival(kind: Kind, model: ModelConfig) -> Rival:
    """Give an untrained rival of a DiffIR."""
    plain = PlainDIRformer(model)  # Refuses what has no rivals, for both kinds.
    return plain if kind == "dirformer" else UNet(unet_as_costly_as(model))
