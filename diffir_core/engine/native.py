"""Streams in C, compiled once for the processor at hand.

`native.c` takes a panel through a whole block row by row, with everything in the cache
of one core and without returning to Python. It is compiled in seconds where there is a
C compiler (GCC or Clang), kept in the user's cache folder, and checked against PyTorch
before it is used; whatever goes wrong, PyTorch takes over.
"""

from __future__ import annotations

import ctypes
import logging
import subprocess
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from diffir_core.engine.compiling import compiled
from diffir_core.engine.dense import Convolution, Kernel
from diffir_core.engine.folding import FoldedBlock
from diffir_core.engine.native_convolution import NativeConvolution
from diffir_core.engine.packing import Weights, in_blocks, pack, padded, round_up
from diffir_core.engine.pointers import pointer
from diffir_core.engine.streams import AttentionSums, Stream, StripShape

_CACHE_BYTES = 8_000_000
_STRIP_PIXELS = 4096
_CHUNK_PIXELS, _MOST_CHUNK_ROWS = 288, 16

logger = logging.getLogger(__name__)

_SIZES = (
    *("width", "height", "channels", "padded_channels", "hidden"),
    *("padded_hidden", "heads", "keeps_mean", "counted_start", "counted_stop"),
    "chunk",
)
_POINTERS = (
    *("v", "v_bias", "v_taps", "v_taps_bias", "mixing", "mixing_bias"),
    *("gated", "gated_bias", "gated_taps", "gated_taps_bias", "out", "out_bias"),
    *("qk", "qk_bias", "qk_taps", "qk_taps_bias", "product", "squares", "work"),
)


class _Panel(ctypes.Structure):
    """The `panel` of native.c."""

    _fields_ = [
        *((name, ctypes.c_long) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in _POINTERS),
    ]


class NativeStreams:
    """Streams by `native.c`, float32 on the CPU."""

    name = "native"
    weight_copies = 2

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.diffir_lanes.restype = ctypes.c_long
        library.diffir_work.restype = ctypes.c_long
        self._packed: WeakKeyDictionary[FoldedBlock, Weights] = WeakKeyDictionary()
        self.lanes: int = library.diffir_lanes()

    def main(
        self,
        block: FoldedBlock,
        mixing: Tensor,
        following: FoldedBlock | None,
        shape: StripShape,
    ) -> Stream:
        """See `Streams`."""
        stream = _NativeStream(self, self._library, block, shape)
        mixing = in_blocks(padded(mixing, 1, self.lanes), self.lanes)
        stream.set_block(self._weights(block), {"mixing": mixing})
        if following:
            stream.set_sums(self._weights(following), following)
        return stream

    def of_sums(self, block: FoldedBlock, shape: StripShape) -> Stream:
        """See `Streams`."""
        stream = _NativeStream(self, self._library, block, shape)
        stream.set_sums(self._weights(block), block)
        return stream

    def _weights(self, block: FoldedBlock) -> Weights:
        """Give the weights as C reads them; kept as long as the block."""
        if block not in self._packed:
            self._packed[block] = pack(block, self.lanes)
        return self._packed[block]

    def convolution(self, kernel: Kernel) -> Convolution:
        """See `Streams`."""
        return NativeConvolution(self._library, self.lanes, kernel)

    def panel_columns(self, channels: int, hidden: int) -> int:
        """See `Streams`."""
        c, h = round_up(channels, self.lanes), round_up(hidden, self.lanes)
        return max(96, min(384, _CACHE_BYTES // (80 * c + 28 * h)))

    def strip_rows(self, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        return _STRIP_PIXELS // width

    def working_values(self, rows: int, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        chunk = _chunk_rows(width)
        c, h = round_up(channels, self.lanes), round_up(hidden, self.lanes)
        rings = max(3, 2 * chunk) * (5 * c + 2 * h)
        return width * (rings + chunk * (5 * c + h)) + 2 * rows * width * channels


def _chunk_rows(width: int) -> int:
    """Give the rows that make one matrix product."""
    return max(1, min(_MOST_CHUNK_ROWS, _CHUNK_PIXELS // width))


class _NativeStream:
    """One panel; keeps alive all memory that C points to."""

    def __init__(
        self,
        streams: NativeStreams,
        library: ctypes.CDLL,
        block: FoldedBlock,
        shape: StripShape,
    ) -> None:
        self._library, self._lanes = library, streams.lanes
        self._panel, self._kept = _Panel(), Weights()
        self._heads = block.heads
        panel = self._panel
        panel.width, panel.height = shape.width, shape.height
        panel.channels, panel.hidden = block.channels, block.hidden
        panel.padded_channels = round_up(block.channels, streams.lanes)
        panel.padded_hidden = round_up(block.hidden, streams.lanes)
        panel.chunk = _chunk_rows(shape.width)
        panel.heads, panel.keeps_mean = block.heads, block.keeps_mean
        panel.counted_start, panel.counted_stop = (
            shape.counted.start,
            shape.counted.stop,
        )
        values = library.diffir_work(ctypes.byref(panel)) + streams.lanes
        self._keep({"work": shape.empty(values).zero_()})
        self.input = shape.empty(shape.rows, shape.width, block.channels)
        self.output = self.input[:0]

    def set_block(self, weights: Weights, mixing: Weights) -> None:
        """Point to the weights of the block to pass through."""
        self.output = torch.empty_like(self.input)
        self._keep({k: v for k, v in weights.items() if not k.startswith("qk")})
        self._keep(mixing)

    def set_sums(self, weights: Weights, block: FoldedBlock) -> None:
        """Point to the weights of the block whose sums are to be taken."""
        c, heads = block.channels, block.heads
        self._keep({k: v for k, v in weights.items() if k.startswith("qk")})
        sums = {"product": (heads, c // heads, c // heads), "squares": (2, c)}
        exact = {
            name: torch.zeros(size, device="cpu", dtype=torch.float64)
            for name, size in sums.items()
        }
        self._keep(exact, torch.float64)

    def _keep(self, tensors: Weights, dtype: torch.dtype = torch.float32) -> None:
        self._kept |= tensors
        for name, tensor in tensors.items():
            setattr(self._panel, name, pointer(tensor, dtype))

    def push(self, first_row: int) -> None:
        """See `Stream`."""
        where = ctypes.c_long(first_row), ctypes.c_long(self.input.shape[0])
        panel, x = ctypes.byref(self._panel), pointer(self.input)
        if self.output.numel():
            self._library.diffir_push(panel, x, pointer(self.output), *where)
        else:
            self._library.diffir_push_sums(panel, x, *where)

    def sums(self) -> AttentionSums:
        """See `Stream`."""
        q, k = self._kept["squares"].view(2, self._heads, -1)
        return AttentionSums(self._kept["product"], q, k)


def _loaded(library: Path) -> ctypes.CDLL:
    """Load what was compiled; if it is damaged, compile it anew."""
    try:
        return ctypes.CDLL(str(library))
    except OSError:
        library.unlink(missing_ok=True)
        return ctypes.CDLL(str(compiled()))


@cache
def native_streams() -> NativeStreams | None:
    """Give the streams in C, or None where they cannot be had."""
    try:
        return NativeStreams(_loaded(compiled()))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        logger.info("No streams in C: %s", error)
        return None
