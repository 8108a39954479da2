"""Transformer blocks as streams of rows.

A panel of an image passes through a block from top to bottom, a few rows at a time.
Each depthwise 3x3 convolution keeps the last rows of what it saw, so that its output
lags one row behind and nothing is computed twice. Hidden activations exist for a strip
only, small enough for the cache of a processor: page faults and slow memory, not
arithmetic, is where the time of these networks goes.

This is what both ways to compute them have in common: `torch_streams`, for every device
and precision, and `native`, in C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from diffir_core.engine.dense import Convolution, Kernel
from diffir_core.engine.folding import FoldedBlock
from diffir_core.engine.kernels import attention_matrix

MAIN_LAG = 2
"""Rows by which the output of a block lags behind its input."""


@dataclass(frozen=True, slots=True)
class StripShape:
    """What the strips of one panel have in common."""

    rows: int
    width: int
    """Columns of the panel with its halo."""
    height: int
    """Of the whole plane; rows outside do not exist and count as zeros."""
    counted: slice
    """The columns of the panel without its halo."""
    device: torch.device

    @property
    def pixels(self) -> int:
        """Of one strip."""
        return self.rows * self.width

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Give a buffer; its values are undefined."""
        return torch.empty(shape, device=self.device, dtype=dtype)

    def blank_outside(self, values: Tensor, first_row: int) -> None:
        """Set those of `values` (rows * width, n) to zero whose row does not exist."""
        if first_row < 0:
            values[: min(-first_row, self.rows) * self.width].zero_()
        if first_row + self.rows > self.height:
            values[max(0, self.height - first_row) * self.width :].zero_()


class AttentionSums(NamedTuple):
    """The sums over pixels that a block's attention needs, per head."""

    product: Tensor
    """q k^T, (heads, c, c)."""
    q_square: Tensor
    """(heads, c)."""
    k_square: Tensor

    def plus(self, other: AttentionSums) -> AttentionSums:
        """Give the sums over both sets of pixels."""
        return AttentionSums(*map(torch.add, self, other))

    def matrix(self, temperature: Tensor) -> Tensor:
        """Give the attention matrix, (heads, c, c) float32."""
        product, q, k = (part.to(temperature.device) for part in self)
        return attention_matrix(product, q, k, temperature).float()


class Stream(Protocol):
    """A panel on its way through a block, or through its sums alone."""

    input: Tensor
    """(rows, width, c): fill it before `push`."""
    output: Tensor
    """(rows, width, c): after `push`, the rows from two before the first on."""

    def push(self, first_row: int) -> None:
        """Take `input`, whose rows are those from `first_row` on."""

    def sums(self) -> AttentionSums:
        """Give the sums over all rows so far."""


class Streams(Protocol):
    """A way to compute blocks, and the sizes that suit it."""

    name: str
    weight_copies: int
    """How often the folded weights of a block exist."""

    def main(
        self,
        block: FoldedBlock,
        mixing: Tensor,
        following: FoldedBlock | None,
        shape: StripShape,
    ) -> Stream:
        """Give the stream through a block, with the sums for the `following` one."""

    def of_sums(self, block: FoldedBlock, shape: StripShape) -> Stream:
        """Give the stream that only takes the sums for a block."""

    def convolution(self, kernel: Kernel) -> Convolution:
        """Make a dense convolution ready, as fast as blocks are."""

    def panel_columns(self, channels: int, hidden: int) -> int:
        """Give the width of panels that suits blocks of this size."""

    def strip_rows(self, width: int, channels: int, hidden: int) -> int:
        """Give the rows of a strip that suit panels of this width."""

    def working_values(self, rows: int, width: int, channels: int, hidden: int) -> int:
        """Give the float32 values that all buffers of a stream hold."""
