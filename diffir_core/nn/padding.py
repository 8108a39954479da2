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
    repeat_edge = config.architecture == "inpainting"
    for axis in (-2, -1):
        size = x.shape[axis]
        padded = -(-size // config.size_multiple) * config.size_multiple
        if padded != size:
            index = _mirror_index(size, padded, repeat_edge).to(x.device)
            x = x.index_select(axis, index)
    return x


def _mirror_index(size: int, padded: int, repeat_edge: bool) -> Tensor:
    """Give the source index of each of `padded` pixels of a mirrored line."""
    position = torch.arange(padded)
    period = 2 * size if repeat_edge else max(2 * size - 2, 1)
    position = position % period
    last = period - 1 if repeat_edge else period
    return torch.where(position < size, position, last - position)
