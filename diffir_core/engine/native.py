"""Streams in C, compiled once for the processor at hand.

`native.c` takes a panel through a whole block row by row, with everything in the cache
of one core and without returning to Python. It is compiled in seconds where there is a
C compiler (GCC or Clang), kept in the user's cache folder, and checked against PyTorch
before it is used; whatever goes wrong, PyTorch takes over.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from diffir_core.engine.folding import FoldedBlock, Projection
from diffir_core.engine.streams import AttentionSums, Stream, StripShape

_SOURCE = Path(__file__).with_name("native.c")
_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-shared",
    "-fPIC",
)
_WIDE = ("-mprefer-vector-width=512",)
_COMPILE_SECONDS = 120
_CACHE_BYTES = 2_000_000
_STRIP_PIXELS = 4096
_HALO = 6

logger = logging.getLogger(__name__)

Weights = dict[str, Tensor]
"""By the names of the pointers in native.c."""

_SIZES = (
    *("width", "padded_width", "height", "channels", "padded_channels", "hidden"),
    *("padded_hidden", "heads", "keeps_mean", "counted_start", "counted_stop"),
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

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.diffir_lanes.restype = ctypes.c_long
        library.diffir_group.restype = ctypes.c_long
        library.diffir_work.restype = ctypes.c_long
        self._packed: WeakKeyDictionary[FoldedBlock, Weights] = WeakKeyDictionary()
        self.lanes: int = library.diffir_lanes()
        self.group: int = library.diffir_group()

    def main(
        self,
        block: FoldedBlock,
        mixing: Tensor,
        following: FoldedBlock | None,
        shape: StripShape,
    ) -> Stream:
        """See `Streams`."""
        stream = _NativeStream(self, self._library, block, shape)
        mixing = _packed(_padded(mixing, 1, self.lanes), self.lanes)
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

    def panel_columns(self, channels: int, hidden: int) -> int:
        """See `Streams`."""
        pixel = 4 * self.working_values(0, 1, channels, hidden) // self.group
        groups = max(96, min(256, _CACHE_BYTES // pixel)) // self.group
        return groups * self.group - _HALO

    def strip_rows(self, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        return _STRIP_PIXELS // width

    def working_values(self, rows: int, width: int, channels: int, hidden: int) -> int:
        """See `Streams`."""
        padded = _round_up(width, self.group)
        rings = 17 * _round_up(channels, self.lanes) + 7 * _round_up(hidden, self.lanes)
        return padded * rings + 2 * rows * width * channels


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def pack(block: FoldedBlock, lanes: int) -> Weights:
    """Lay the weights of a block out for vectors of `lanes` channels."""
    weights: Weights = {}

    def matrix(name: str, values: Tensor, bias: Tensor | None, parts: int = 1) -> None:
        weights[name] = _packed(_padded(values, parts, lanes), lanes)
        if bias is not None:
            weights[f"{name}_bias"] = _padded(bias, parts, lanes)

    def projection(name: str, values: Projection, parts: int) -> None:
        matrix(name, values.pointwise[:-1], values.pointwise[-1], parts)
        weights[f"{name}_taps"] = _padded(values.taps, parts, lanes)
        if values.bias is not None:
            weights[f"{name}_taps_bias"] = _padded(values.bias, parts, lanes)

    projection("v", block.v, 1)
    projection("qk", block.qk, 2)
    projection("gated", block.gated, 2)
    matrix("out", block.out, block.out_bias)
    if block.project_bias is not None:
        weights["mixing_bias"] = _padded(block.project_bias, 1, lanes)
    return weights


def _padded(values: Tensor, parts: int, lanes: int) -> Tensor:
    """Pad each of `parts` of the last axis to whole vectors."""
    size = values.shape[-1] // parts
    rest = _round_up(size, lanes) - size
    each = [F.pad(part, (0, rest)) for part in values.chunk(parts, dim=-1)]
    return torch.cat(each, dim=-1).contiguous()


def _packed(matrix: Tensor, lanes: int) -> Tensor:
    """Lay out (k, n) as blocks of two vectors of columns, the last maybe of one."""
    return torch.cat([b.reshape(-1) for b in torch.split(matrix, 2 * lanes, dim=1)])


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
        panel.padded_width = _round_up(shape.width, streams.group)
        panel.channels, panel.hidden = block.channels, block.hidden
        panel.padded_channels = _round_up(block.channels, streams.lanes)
        panel.padded_hidden = _round_up(block.hidden, streams.lanes)
        panel.heads, panel.keeps_mean = block.heads, block.keeps_mean
        panel.counted_start, panel.counted_stop = (
            shape.counted.start,
            shape.counted.stop,
        )
        values = library.diffir_work(ctypes.byref(panel)) + streams.lanes
        self._keep({"work": torch.zeros(values)})
        self.input = torch.empty(shape.rows, shape.width, block.channels)
        self.output = self.input[:0]

    def set_block(self, weights: Weights, mixing: Weights) -> None:
        """Point to the weights of the block to pass through."""
        self.output = torch.empty_like(self.input)
        self._keep({k: v for k, v in weights.items() if not k.startswith("qk")})
        self._keep(mixing)

    def set_sums(self, weights: Weights, block: FoldedBlock) -> None:
        """Point to the weights of the block whose sums are to be taken."""
        c, heads = block.channels, block.heads
        shape = heads, c // heads, c // heads
        self._keep({k: v for k, v in weights.items() if k.startswith("qk")})
        self._keep({"product": torch.zeros(shape, dtype=torch.float64)})
        self._keep({"squares": torch.zeros(2, c, dtype=torch.float64)})

    def _keep(self, tensors: Weights) -> None:
        self._kept |= tensors
        for name, tensor in tensors.items():
            setattr(self._panel, name, tensor.data_ptr())

    def push(self, first_row: int) -> None:
        """See `Stream`."""
        where = ctypes.c_long(first_row), ctypes.c_long(self.input.shape[0])
        panel, x = ctypes.byref(self._panel), ctypes.c_void_p(self.input.data_ptr())
        if self.output.numel():
            out = ctypes.c_void_p(self.output.data_ptr())
            self._library.diffir_push(panel, x, out, *where)
        else:
            self._library.diffir_push_sums(panel, x, *where)

    def sums(self) -> AttentionSums:
        """See `Stream`."""
        q, k = self._kept["squares"].view(2, self._heads, -1)
        return AttentionSums(self._kept["product"], q, k)


@cache
def native_streams() -> NativeStreams | None:
    """Give the streams in C, or None where they cannot be had."""
    try:
        return NativeStreams(ctypes.CDLL(str(_compiled())))
    except (OSError, subprocess.SubprocessError) as error:
        logger.info("No streams in C: %s", error)
        return None


def _compiled() -> Path:
    """Give the compiled library, from the cache or anew."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler or sys.platform == "win32":
        raise OSError("there is no C compiler")
    wide = _WIDE if platform.machine() in ("x86_64", "AMD64") else ()
    flags = [*_FLAGS, *wide]
    folder = _cache_folder()
    target = folder / f"native-{_key(compiler, flags)}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            built = Path(temporary) / "native.so"
            subprocess.run(
                [compiler, *flags, str(_SOURCE), "-lm", "-o", str(built)],
                check=True,
                capture_output=True,
                timeout=_COMPILE_SECONDS,
            )
            built.replace(target)
    return target


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "napari-diffir"


def _key(compiler: str, flags: list[str]) -> str:
    """Sum up all that the machine code depends on."""
    about = [_SOURCE.read_text(), compiler, *flags, platform.machine(), _processor()]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), "")
