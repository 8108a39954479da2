"""Faster blocks for training: the same mathematics on channels-last memory.

`diffir_core.nn` defines the network and reads like the paper; these subclasses share
its parameters and compute the same values with fewer passes over memory. A test holds
their outputs and gradients against the definition.
"""

from __future__ import annotations

import logging
from typing import TypeVar

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
from diffir_core.nn.layers import DynamicAttention, TransformerBlock

logger = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)


class FusedTransformerBlock(TransformerBlock):
    """A transformer block whose 1x1 convolutions are matrix products over pixels."""

    def forward(self, x: Tensor, ipr: Tensor) -> Tensor:
        """Transform `x` (b, c, h, w) under the guidance of `ipr`."""
        x = x.permute(0, 2, 3, 1)
        x = x + _attend(self.attn, modulated(self.norm1, self.attn.kernel(ipr), x))
        x = x + feed_forward(self.ffn, modulated(self.norm2, self.ffn.kernel(ipr), x))
        return x.permute(0, 3, 1, 2)


def compiler_works() -> bool:
    """Try torch.compile on a sum; warn if there is no compiler."""
    try:
        torch.compile(torch.sin, dynamic=False)(torch.ones(4))
    except Exception as error:  # Whatever a missing or broken compiler raises.
        logger.warning(
            "torch.compile does not work here (%s); blocks are not compiled.",
            type(error).__name__,
        )
        return False
    return True


def _attend(attention: DynamicAttention, x: Tensor) -> Tensor:
    q, k, v = project(attention, x, slice(0, 3)).chunk(3, dim=-1)
    q, k = (split_heads(part, attention.heads) for part in (q, k))
    matrix = attention_matrix(
        q.transpose(-2, -1) @ k,
        q.square().sum(-2),
        k.square().sum(-2),
        attention.temperature,
    )
    return mix(attention, matrix, v)


def fuse(network: Network, *, compiled: bool = False) -> Network:
    """Give `network` faster blocks and channels-last weights, in place; also return it.

    Parameters, their names and the state dict stay what they were. `compiled` hands
    the blocks to torch.compile, if it works here.
    """
    compiled = compiled and compiler_works()
    for module in network.modules():
        if type(module) is TransformerBlock:
            module.__class__ = FusedTransformerBlock
            if compiled:
                module.compile(dynamic=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
