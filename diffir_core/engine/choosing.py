"""Which precision and which streams a restorer works with."""

from __future__ import annotations

import torch

from diffir_core.engine.device import Precision, wanted_precision
from diffir_core.engine.native import native_streams
from diffir_core.engine.pointwise import EAGER, compiled
from diffir_core.engine.selftest import native_agrees, psnr_of_precision
from diffir_core.engine.streams import Streams
from diffir_core.engine.torch_streams import TorchStreams
from diffir_core.engine.workers import Workers
from diffir_core.nn import DiffIRS2
from diffir_core.options import Kernels, RestoreOptions

SELF_TEST_DB = 60.0
_GPU_STRIP_VALUES = 400_000_000
_GPU_PANEL_COLUMNS = 1 << 16


def choose_precision(
    options: RestoreOptions, network: DiffIRS2, workers: Workers, device: torch.device
) -> tuple[Precision, float | None]:
    """Give the precision, and the PSNR (dB) by which a reduced one was tested.

    A reduced one must reach `SELF_TEST_DB` against float32 on the weights themselves.
    """
    wanted = wanted_precision(options.precision, options.exactness, device)
    if wanted.name == "float32":
        return wanted, None
    psnr = psnr_of_precision(network, wanted.dtype, workers, device)
    if psnr >= SELF_TEST_DB:
        return wanted, psnr
    reason = (
        f"{wanted.name} reached {psnr:.1f} dB against float32 with these weights, "
        f"{SELF_TEST_DB:.0f} dB are asked for"
    )
    return Precision("float32", reason), psnr


def choose_streams(
    device: torch.device, precision: Precision, wanted: Kernels = "auto"
) -> Streams:
    """Give the wanted streams, or those that work here instead."""
    if wanted in ("auto", "native") and device.type == "cpu":
        native = native_streams()
        if precision.name == "float32" and native and native_agrees(native):
            return native
    pointwise = (compiled(device) if wanted == "compiled" else None) or EAGER
    if device.type == "cpu":
        return TorchStreams(pointwise=pointwise)
    return TorchStreams(_GPU_STRIP_VALUES, _GPU_PANEL_COLUMNS, pointwise)
