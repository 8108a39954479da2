"""Weights as `native.c` reads them: padded to whole vectors, in blocks of columns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diffir_core.engine.folding import FoldedBlock, Projection

Weights = dict[str, Tensor]
"""By the names of the pointers in native.c."""


def pack(block: FoldedBlock, lanes: int) -> Weights:
    """Lay the weights of a block out for vectors of `lanes` channels."""
    weights: Weights = {}

    def matrix(name: str, values: Tensor, bias: Tensor | None, parts: int = 1) -> None:
        weights[name] = in_blocks(padded(values, parts, lanes), lanes)
        if bias is not None:
            weights[f"{name}_bias"] = padded(bias, parts, lanes)

    def projection(name: str, values: Projection, parts: int) -> None:
        matrix(name, values.pointwise[:-1], values.pointwise[-1], parts)
        weights[f"{name}_taps"] = padded(values.taps, parts, lanes)
        if values.bias is not None:
            weights[f"{name}_taps_bias"] = padded(values.bias, parts, lanes)

    projection("v", block.v, 1)
    projection("qk", block.qk, 2)
    projection("gated", block.gated, 2)
    matrix("out", block.out, block.out_bias)
    if block.project_bias is not None:
        weights["mixing_bias"] = padded(block.project_bias, 1, lanes)
    return weights


def padded(values: Tensor, parts: int, lanes: int) -> Tensor:
    """Pad each of `parts` of the last axis to whole vectors."""
    size = values.shape[-1] // parts
    rest = round_up(size, lanes) - size
    each = [F.pad(part, (0, rest)) for part in values.chunk(parts, dim=-1)]
    return torch.cat(each, dim=-1).contiguous()


def in_blocks(matrix: Tensor, lanes: int) -> Tensor:
    """Lay out (k, n) as blocks of two vectors of columns, the last maybe of one."""
    return torch.cat([b.reshape(-1) for b in torch.split(matrix, 2 * lanes, dim=1)])


def round_up(value: int, multiple: int) -> int:
    """Give the next multiple, or the value itself if it is one."""
    return -(-value // multiple) * multiple
