"""What a step of training sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Degraded and clean patches in model units, both (b, c, h, w) float32."""

    noisy: Tensor
    clean: Tensor
    real: Tensor | None = None
    """What a discriminator takes for real, where that is not `clean`."""

    def some(self, items: Sequence[int]) -> Self:
        """Give some of the patches."""
        chosen = list(items)
        real = None if self.real is None else self.real[chosen]
        return type(self)(self.noisy[chosen], self.clean[chosen], real)

    def to(self, device: torch.device) -> Self:
        """Give the batch on a device."""
        real = None if self.real is None else self.real.to(device)
        return type(self)(self.noisy.to(device), self.clean.to(device), real)


class BatchSource(Protocol):
    """Where batches come from: the same number gives the same batch, in any order."""

    def batch(self, number: int, size: int, items: Sequence[int]) -> Batch:
        """Give those patches of batch `number` that `items` names, `size` pixels."""


def drawn(source: BatchSource, number: int, size: int, patches: int) -> Iterator[Batch]:
    """Draw patches a few at a time, all of one number."""
    for first in range(0, patches, _AT_ONCE):
        yield source.batch(number, size, range(first, min(first + _AT_ONCE, patches)))
