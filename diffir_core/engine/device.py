"""Which device computes, in which precision, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from diffir_core.errors import InputError

_PROBE_SECONDS = 0.02
_WORTH_IT = 1.3
_DEVICES = ("cpu", "cuda", "mps")
_PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Precision:
    """A precision of the products, and the reason it was chosen."""

    name: str
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """As torch calls it."""
        return _PRECISIONS[self.name]


@dataclass(frozen=True, slots=True)
class Choice:
    """A device, and the reason it was chosen."""

    device: torch.device
    reason: str


def choose_device(name: str) -> Choice:
    """Give the device for 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.

    'auto' takes the fastest at matrix products, the bulk of the work, by a short probe.
    """
    if name == "auto":
        return _fastest()
    try:
        device = torch.device(name)
        if device.type not in _DEVICES:
            raise RuntimeError("Of no use here.")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        if lacks_memory(error):
            raise no_memory(name) from error
        raise InputError(
            f"Device '{name}' is not there; use 'cpu' or 'auto'."
        ) from error
    return Choice(device, "asked for")


def _fastest() -> Choice:
    """Compare what is there; not Apple's GPUs, which nobody has tested this on."""
    if not torch.cuda.is_available():
        return Choice(torch.device("cpu"), "no CUDA device")
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    try:
        on_cuda = _products_per_second(cuda, torch.float32)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        return Choice(cpu, "the CUDA device has no memory left")
    gain = on_cuda / _products_per_second(cpu, torch.float32)
    reason = f"products are {gain:.1f} times as fast on CUDA as on the CPU"
    return Choice(cuda if gain > 1 else cpu, reason)


def lacks_memory(error: Exception) -> bool:
    """Tell whether a device has run out of memory.

    Only CUDA has an error of its own for it, and not in the first call to a full one.
    """
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in said or "can't allocate memory" in said)
    )


def no_memory(device: torch.device | str) -> InputError:
    """Give the error to raise when nothing smaller can be tried."""
    on_cpu = str(device) == "cpu"
    other = "set a smaller memory" if on_cpu else "choose device 'cpu'"
    return InputError(
        f"Device '{device}' has no memory left; end what else uses it, or {other}."
    )


@contextmanager
def telling_of_memory(device: torch.device) -> Iterator[None]:
    """Turn a device's lack of memory into a sentence."""
    try:
        yield
    except RuntimeError as error:
        if lacks_memory(error):
            raise no_memory(device) from error
        raise


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Keep NVIDIA's TF32, which has 10 bits, out of float32 products; then restore."""
    if device.type != "cuda":
        yield
        return
    backends: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


@contextmanager
def inferring(device: torch.device) -> Iterator[None]:
    """Take no gradients, and no precision that `torch.autocast` sets around a call."""
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        yield


def bfloat16_gain(device: torch.device) -> float:
    """Measure how many times faster products are in bfloat16, in a few milliseconds."""
    with inferring(device):
        exact, reduced = (
            _products_per_second(device, dtype)
            for dtype in (torch.float32, torch.bfloat16)
        )
    return reduced / exact


def _products_per_second(device: torch.device, dtype: torch.dtype) -> float:
    a = torch.ones(4096, 96, device=device, dtype=dtype)
    b = torch.ones(96, 192, device=device, dtype=dtype)
    out, count = torch.mm(a, b), 0
    _synchronise(device)
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < _PROBE_SECONDS:
        torch.mm(a, b, out=out)
        _synchronise(device)
        count += 1
    return count / elapsed


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def wanted_precision(precision: str, exactness: str, device: torch.device) -> Precision:
    """Give the precision to try; a reduced one still has to pass the self-test."""
    if precision != "auto":
        return Precision(precision, "asked for")
    if exactness == "exact":
        return Precision("float32", "exactness is 'exact'")
    gain = bfloat16_gain(device)
    if gain < _WORTH_IT:
        return Precision("float32", f"bfloat16 is {gain:.1f} times as fast here")
    return Precision("bfloat16", f"{gain:.1f} times as fast here")
