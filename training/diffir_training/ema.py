"""Exponential moving average of a network's parameters, with a warm-up."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

_WARMUP_STEPS = 10


class EMA(Generic[Network]):
    """The averaged twin of a network; it starts as an exact copy.

    The decay rises as (1 + n) / (10 + n) to its final value, so that the average
    forgets the random start within the first steps.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Move the average towards `network`; buffers are left alone."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + _WARMUP_STEPS - 1))
        averages: list[torch.Tensor] = list(self.network.parameters())
        parameters: list[torch.Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, parameters, 1 - decay)
