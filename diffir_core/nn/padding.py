"""Padding to the size a network takes, for images of any size, and cropping back."""

from __future__ import annotations

import torch
from torch import Tensor

from diffir_core.config import ModelConfig


def pad_to_multiple(x: Tensor, config: ModelConfig) -> Tensor:
    """Mirror `x` (b, c, h, w) at its right and bottom up to the network's multiple.

    As the official code does: `reflect` (the edge pixel is not repeated), and
    `symmetric` (it is) for inpainting; images smaller than the pad mirror repeatedly.
    """
    for axis in (-2, -1):
        if x.shape[axis] % config.size_multiple:
            index = mirror_index(x.shape[axis], config).to(x.device)
            x = x.index_select(axis, index)
    return x


def padded_size(size: int, config: ModelConfig) -> int:
    """Give the next multiple of what the network takes."""
    return -(-size // config.size_multiple) * config.size_multiple


def mirror_index(size: int, config: ModelConfig) -> Tensor:
    """Give the source index of each pixel of a padded line of `size` pixels."""
    repeat_edge = config.architecture == "inpainting"
    position = torch.arange(padded_size(size, config), device="cpu")
    period = 2 * size if repeat_edge else max(2 * size - 2, 1)
    position = position % period
    last = period - 1 if repeat_edge else period
    return torch.where(position < size, position, last - position)
