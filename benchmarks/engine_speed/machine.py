"""The machine that is measured on, and the rates that it reaches at best."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine_speed.timing import seconds


def machine(device: str) -> dict[str, Any]:
    """Name the machine and measure the rates that bound every network on it."""
    image = torch.randn(1, 192, 64, 64).to(device, memory_format=torch.channels_last)
    weights, square = torch.randn(768, 192, 3, 3), torch.randn(2048, 2048)
    weights, square = weights.to(device), square.to(device)

    def finish() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    def rate(operations: float, call: Callable[[], Any]) -> float:
        def timed() -> None:
            call()
            finish()

        return operations / min(seconds(timed) for _ in range(15)) / 1e9

    with torch.inference_mode():
        return {
            "processor": processor(),
            "device": device if device == "cpu" else torch.cuda.get_device_name(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "convolution_gflops": rate(
                2 * 9 * 192 * 768 * 4096,
                lambda: torch.conv2d(image, weights, padding=1),
            ),
            "matrix_gflops": rate(2 * 2048**3, lambda: square @ square),
        }


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            x.split(":")[1].strip() for x in lines if x.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
