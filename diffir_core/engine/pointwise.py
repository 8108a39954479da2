"""What lies between the matrix products of a block, eager or compiled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from diffir_core.nn.diffusion import standard_normal

EPSILON = 1e-5
_TOLERANCE = 1e-5

logger = logging.getLogger(__name__)


class Pointwise(NamedTuple):
    """The two operations that PyTorch may fuse."""

    name: str
    normalise: Callable[[Tensor, Tensor, bool, Tensor], None]
    """(x (n, c), averaging (c, 1), whether the mean is kept, out (n, c + 1))."""
    gate: Callable[[Tensor], Tensor]
    """(n, 2 h) -> gelu(first h) * (last h)."""


def _normalise(x: Tensor, average: Tensor, keeps_mean: bool, out: Tensor) -> None:
    # Averages as matrix products: several times faster than reductions of short rows.
    centred = x - torch.mm(x, average)
    variance = torch.mm(centred.square(), average)
    inverse = variance.add_(EPSILON).rsqrt_()
    torch.mul(x if keeps_mean else centred, inverse, out=out[:, :-1])


def _normalise_fusible(
    x: Tensor, average: Tensor, keeps_mean: bool, out: Tensor
) -> None:
    centred = x - x.mean(dim=1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + EPSILON)
    out[:, :-1].copy_((x if keeps_mean else centred) * inverse)


def _gate(hidden: Tensor) -> Tensor:
    gate, value = hidden.chunk(2, dim=1)
    return F.gelu(gate).mul_(value)


def _gate_fusible(hidden: Tensor) -> Tensor:
    gate, value = hidden.chunk(2, dim=1)
    return F.gelu(gate) * value


EAGER = Pointwise("torch", _normalise, _gate)


@cache
def compiled(device: torch.device) -> Pointwise | None:
    """Give both by `torch.compile`, or None where it fails or gives other results."""
    try:
        fused = Pointwise(
            "compiled",
            torch.compile(_normalise_fusible, dynamic=True),
            torch.compile(_gate_fusible, dynamic=True),
        )
        agrees = _agrees(fused, device)
    except Exception as error:  # Whatever a compiler may raise: eager works too.
        logger.info("torch.compile is not to be had: %s", error)
        return None
    return fused if agrees else None


def _agrees(fused: Pointwise, device: torch.device) -> bool:
    generator = torch.Generator().manual_seed(0)
    for n, c in ((24, 6), (40, 12)):
        x = standard_normal((n, c), generator).to(device)
        average = x.new_full((c, 1), 1.0 / c)
        outs = [x.new_ones(n, c + 1) for _ in range(2)]
        EAGER.normalise(x, average, False, outs[0])
        fused.normalise(x, average, False, outs[1])
        pairs = [outs, [EAGER.gate(x.clone()), fused.gate(x)]]
        if any(float((a - b).abs().max()) > _TOLERANCE for a, b in pairs):
            return False
    return True
