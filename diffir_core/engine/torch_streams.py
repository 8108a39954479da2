"""Streams of rows by PyTorch, for every device and precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from diffir_core.engine.dense import Convolution, Kernel, TorchConvolution
from diffir_core.engine.folding import FoldedBlock, Projection
from diffir_core.engine.pointwise import EAGER, Pointwise
from diffir_core.engine.streams import MAIN_LAG, AttentionSums, Stream, StripShape

_STRIP_VALUES = 6_000_000
_PANEL_COLUMNS = 256


class TorchStreams:
    """Streams by PyTorch, for every device and precision."""

    weight_copies = 1

    def __init__(
        self,
        strip_values: int = _STRIP_VALUES,
        columns: int = _PANEL_COLUMNS,
        pointwise: Pointwise = EAGER,
    ):
        self._strip_values, self._columns = strip_values, columns
        self._pointwise, self.name = pointwise, pointwise.name

    def main(
        self,
        block: FoldedBlock,
        mixing: Tensor,
        following: FoldedBlock | None,
        shape: StripShape,
    ) -> Stream:
        """See `Streams`."""
        return _MainStream(block, mixing, following, shape, self._pointwise)

    def of_sums(self, block: FoldedBlock, shape: StripShape) -> Stream:
        """See `Streams`."""
        return _SumStream(block, shape, self._pointwise)

    def convolution(self, kernel: Kernel) -> Convolution:
        """See `Streams`."""
        return TorchConvolution(kernel)

    def panel_columns(self, channels: int, hidden: int) -> int:
        """See `Streams`."""
        return self._columns

    def strip_rows(self, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        return self._strip_values // self.working_values(1, width, channels, hidden)

    def working_values(self, rows: int, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        normalised = channels + 1
        main = 2 * channels + normalised + 2 * channels + 5 * hidden
        return rows * width * (main + normalised + 4 * channels + 1)


class _Normaliser:
    """Normalise pixels (n, c) over their channels; give (n, c + 1), the last one 1."""

    def __init__(
        self, block: FoldedBlock, shape: StripShape, pointwise: Pointwise
    ) -> None:
        c = block.channels
        self._keeps_mean, self._normalise = block.keeps_mean, pointwise.normalise
        self._average = shape.empty(c, 1).fill_(1.0 / c)
        self._out = shape.empty(shape.pixels, c + 1, dtype=block.dtype).fill_(1.0)

    def __call__(self, x: Tensor) -> Tensor:
        self._normalise(x, self._average, self._keeps_mean, self._out)
        return self._out


class _Convolution:
    """A folded 1x1 and a depthwise 3x3 convolution, one row behind."""

    def __init__(self, weights: Projection, shape: StripShape) -> None:
        self._weights, self._shape = weights, shape
        n, rows = weights.pointwise.shape[1], shape.rows
        self._kernel = weights.taps.t().reshape(n, 1, 3, 3)
        dtype = weights.pointwise.dtype
        self._buffer = shape.empty(rows + 2, shape.width, n, dtype=dtype)
        self._new = self._buffer[2:].view(shape.pixels, n)
        self._carried, self._last = self._buffer[:2].zero_(), self._buffer[rows:]

    def push(self, normalised: Tensor, first_row: int) -> Tensor:
        """Take rows from `first_row` on; give (rows * width, n) from the one before."""
        torch.mm(normalised, self._weights.pointwise, out=self._new)
        self._shape.blank_outside(self._new, first_row)
        image = self._buffer.permute(2, 0, 1)[None]
        out = self._depthwise(image).permute(0, 2, 3, 1).reshape(self._new.shape)
        self._carried.copy_(self._last)
        return out

    def _depthwise(self, image: Tensor) -> Tensor:
        kernel, bias, n = self._kernel, self._weights.bias, image.shape[1]
        if image.device.type == "cpu" and image.dtype == torch.float32:
            # By name: with one thread, the usual dispatch may choose a slower one.
            convolve: Callable[..., Tensor] = torch.mkldnn_convolution
            return convolve(image, kernel, bias, (0, 1), (1, 1), (1, 1), n)
        return F.conv2d(image, kernel, bias, padding=(0, 1), groups=n)


class _SumStream:
    """Sums up over a panel what a block's attention needs; one row behind."""

    def __init__(
        self, block: FoldedBlock, shape: StripShape, pointwise: Pointwise
    ) -> None:
        self._block, self._shape = block, shape
        c, heads = block.channels, block.heads
        self.input = shape.empty(shape.rows, shape.width, c)
        self.output = self.input[:0]
        self._normalise = _Normaliser(block, shape, pointwise)
        self._qk = _Convolution(block.qk, shape)
        self._ones = shape.empty(1, shape.pixels).fill_(1.0)
        # Float64 keeps the sums of a large plane independent of how it was cut; the
        # devices of Apple have none.
        exact = torch.float32 if shape.device.type == "mps" else torch.float64
        self._product = shape.empty(heads, c // heads, c // heads, dtype=exact).zero_()
        self._squares = shape.empty(1, 2 * c, dtype=exact).zero_()

    def push(self, first_row: int) -> None:
        """See `Stream`."""
        self.add(self.input.view(self._shape.pixels, -1), first_row)

    def add(self, x: Tensor, first_row: int) -> None:
        """Take the pixels (rows * width, c) of the rows from `first_row` on."""
        qk = self._qk.push(self._normalise(x), first_row).float()
        self._shape.blank_outside(qk, first_row - 1)
        self._blank_halo(qk)
        heads = self._block.heads
        q, k = (
            half.view(qk.shape[0], heads, -1).transpose(0, 1)
            for half in qk.chunk(2, dim=1)
        )
        self._product += torch.bmm(q.transpose(1, 2), k)
        self._squares += torch.mm(self._ones, qk.square_())

    def _blank_halo(self, values: Tensor) -> None:
        shape = self._shape
        if shape.counted != slice(0, shape.width):
            image = values.view(shape.rows, shape.width, -1)
            image[:, : shape.counted.start].zero_()
            image[:, shape.counted.stop :].zero_()

    def sums(self) -> AttentionSums:
        """See `Stream`."""
        q, k = self._squares.view(2, self._block.heads, -1)
        return AttentionSums(self._product, q, k)


class _MainStream:
    """Passes a panel through a block whose attention is known; two rows behind."""

    def __init__(
        self,
        block: FoldedBlock,
        mixing: Tensor,
        following: FoldedBlock | None,
        shape: StripShape,
        pointwise: Pointwise,
    ) -> None:
        self._block, self._mixing, self._gate = block, mixing, pointwise.gate
        rows, c = shape.rows, block.channels
        self._following: _SumStream | None = None
        if following:
            self._following = _SumStream(following, shape, pointwise)
        self._normalise = _Normaliser(block, shape, pointwise)
        self._v = _Convolution(block.v, shape)
        self._gated = _Convolution(block.gated, shape)
        self._x = shape.empty(rows + 1, shape.width, c)
        self._x1 = shape.empty(rows + 1, shape.width, c)
        self.input, self.output = self._x[1:], self._x1[:rows]
        self._newest, self._delayed = self.input.view(-1, c), self._x[:rows].view(-1, c)
        self._attended, self._out = self._x1[1:].view(-1, c), self.output.view(-1, c)
        self._last_x, self._last_x1 = (shape.empty(shape.width, c) for _ in range(2))

    def push(self, first_row: int) -> None:
        """See `Stream`."""
        block = self._block
        self._x[0].copy_(self._last_x)
        self._last_x.copy_(self._x[-1])
        self._x1[0].copy_(self._last_x1)
        v = self._v.push(self._normalise(self._newest), first_row)
        _project(self._delayed, v, self._mixing, block.project_bias, self._attended)
        self._last_x1.copy_(self._x1[-1])
        hidden = self._gated.push(self._normalise(self._attended), first_row - 1)
        _project(self._out, self._gate(hidden), block.out, block.out_bias, self._out)
        if self._following:
            self._following.add(self._out, first_row - MAIN_LAG)

    def sums(self) -> AttentionSums:
        """See `Stream`."""
        if self._following is None:
            raise ValueError("no block follows whose sums could be taken")
        return self._following.sums()


def _project(
    residual: Tensor, values: Tensor, matrix: Tensor, bias: Tensor | None, out: Tensor
) -> None:
    """Put ``residual + values matrix (+ bias)`` in `out`, in float32."""
    if matrix.dtype == torch.float32:
        torch.addmm(residual, values, matrix, out=out)
    else:
        torch.add(residual, torch.mm(values, matrix), out=out)
    if bias is not None:
        out.add_(bias)
