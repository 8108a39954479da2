"""Dense convolutions in C."""

from __future__ import annotations

import ctypes

import torch
from einops import rearrange
from torch import Tensor

from diffir_core.engine.dense import Kernel
from diffir_core.engine.packing import in_blocks, padded, round_up
from diffir_core.engine.pointers import pointer


class NativeConvolution:
    """A dense convolution as one matrix product."""

    def __init__(self, library: ctypes.CDLL, lanes: int, kernel: Kernel) -> None:
        self._library, self.reach = library, kernel.reach
        self._size, self._outputs = 2 * kernel.reach + 1, kernel.weight.shape[0]
        matrix = rearrange(kernel.weight, "n c y x -> (y x c) n")
        self._weights = in_blocks(padded(matrix, 1, lanes), lanes)
        bias = kernel.bias
        self._bias = None if bias is None else padded(bias, 1, lanes)
        self._padded_outputs = round_up(self._outputs, lanes)

    def __call__(self, tile: Tensor) -> Tensor:
        """See `Convolution`."""
        pitch, channels = tile.shape[1:]
        rows, columns = (side - 2 * self.reach for side in tile.shape[:2])
        tile = tile.contiguous()
        shape = rows, pitch, self._padded_outputs
        out = torch.empty(shape, device="cpu", dtype=torch.float32)
        self._library.diffir_convolve(
            pointer(tile),
            *map(ctypes.c_long, ((rows - 1) * pitch + columns, pitch, channels)),
            ctypes.c_long(self._size),
            pointer(self._weights),
            None if self._bias is None else pointer(self._bias),
            ctypes.c_long(self._padded_outputs),
            pointer(out),
        )
        return out[:, :columns, : self._outputs]
