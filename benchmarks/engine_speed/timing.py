"""The plain network and the engine, timed in turn."""

from __future__ import annotations

import copy
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from schemes import restorer_call
from torch.utils.flop_counter import FlopCounterMode

import diffir_core as diffir
from diffir_core.engine.restorer import Restorer
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2

Image = NDArray[np.float32]

SECONDS_A_CASE = 25.0
MOST_PAIRS = 7


def seconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def random_image(model: Model, size: int) -> Image:
    """Give (channels, size, size)."""
    shape = model.config.in_channels, size, size
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def plain_call(network: Any, image: Image, device: str = "cpu") -> Callable[[], Any]:
    """Give the plain network on an image, from the host's memory and back to it."""
    there = network if device == "cpu" else copy.deepcopy(network).to(device)

    def call() -> Any:
        with torch.no_grad():
            return there(torch.from_numpy(image)[None].to(device)).cpu()

    return call


def flops_per_pixel(network: DiffIRS2) -> float:
    """Count two per multiplication and addition, on the plain network."""
    config = network.config
    lq = torch.zeros(1, config.in_channels, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(lq)
    return counter.get_total_flops() / 64**2


def time_case(
    model: Model, restorer: Restorer, size: int, peak: float, *, paired: bool
) -> dict[str, Any]:
    """Time a case and say what share of the machine's peak it reaches."""
    timed = (time_pairs if paired else time_alone)(model, restorer, size)
    spent = timed["engine_seconds"]
    gflops = flops_per_pixel(model.restorer) * size**2 / spent / 1e9
    return {
        "network": model.name,
        "size": size,
        **timed,
        "gflops": gflops,
        "share_of_convolution_peak": gflops / peak,
        "microseconds_per_pixel": spent / size**2 * 1e6,
        "plan_mb": restorer.last_plan.peak_bytes / 1e6 if restorer.last_plan else None,
    }


def time_pairs(model: Model, restorer: Restorer, size: int) -> dict[str, Any]:
    """Time the plain network and the engine in turn."""
    image = random_image(model, size)
    plain = plain_call(model.restorer, image, restorer.device.type)
    ours = restorer_call(restorer, image)
    pairs, started = [(seconds(plain), seconds(ours))], time.perf_counter()
    while len(pairs) < MOST_PAIRS + 1:
        pairs.append((seconds(plain), seconds(ours)))
        spent = time.perf_counter() - started
        if spent + spent / (len(pairs) - 1) > SECONDS_A_CASE:
            break
    kept = pairs[1:]  # The first pair warms up.
    return {
        "plain_seconds": statistics.median(a for a, _ in kept),
        "engine_seconds": statistics.median(b for _, b in kept),
        "ratio": statistics.median(a / b for a, b in kept),
        "ratio_range": [min(a / b for a, b in kept), max(a / b for a, b in kept)],
        "pairs": len(kept),
    }


def time_alone(model: Model, restorer: Restorer, size: int) -> dict[str, Any]:
    """Time the engine where the plain network would take too long."""
    call = restorer_call(restorer, random_image(model, size))
    return {"engine_seconds": seconds(call)}


def official_case(model: Model, checkout: Path, size: int = 256) -> dict[str, Any]:
    """Time `model` in the deblur network of a checkout of the official repository."""
    sys.path.insert(0, str(checkout / "DiffIR-demotionblur"))
    module = importlib.import_module("DiffIR.archs.S2_arch")
    network = module.DiffIRS2(
        n_encoder_res=5, dim=48, num_blocks=[3, 5, 6, 6], num_refinement_blocks=4,
        heads=[1, 2, 4, 8], ffn_expansion_factor=2, LayerNorm_type="WithBias",
    ).eval()  # fmt: skip
    network.load_state_dict(model.restorer.state_dict(), strict=False)
    image = random_image(model, size)
    plain = plain_call(network, image)
    ours = restorer_call(Restorer(model, diffir.RestoreOptions()), image)
    pairs = [(seconds(plain), seconds(ours)) for _ in range(4)][1:]
    return {"size": size, "ratio": statistics.median(a / b for a, b in pairs)}
