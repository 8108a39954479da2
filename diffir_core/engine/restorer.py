"""A model and options, made ready to restore planes."""

from __future__ import annotations

import copy
from collections.abc import Generator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.strips import (
    StripRunner,
    pooled_features,
    predicted_peak_bytes,
    total_work,
)
from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2
from diffir_core.nn.padding import pad_to_multiple
from diffir_core.options import RestoreOptions

Plane = NDArray[np.float32]
"""(channels, height, width) in model units."""


class Restorer:
    """Restore planes of any size, exactly, on one device; the model is not changed."""

    def __init__(self, model: Model, options: RestoreOptions) -> None:
        self.model, self.options = model, options
        self.device = choose_device(options.device)
        self.config = model.config
        network = model.restorer
        if self.config.architecture == "inpainting":
            raise InputError(
                f"'{model.name}' fills masked regions and needs a mask; this version "
                "restores with deblur and super-resolution models."
            )
        if options.steps not in (None, self.config.timesteps):
            raise InputError(
                f"'{model.name}' takes {self.config.timesteps} reverse steps, not "
                f"{options.steps}; leave steps out."
            )
        if options.ipr is not None:
            _check_ipr(options.ipr, model)
        self._network = _on_device(network, self.device)
        self.runner = StripRunner(options.tile)

    @torch.inference_mode()
    def features(self, plane: Plane) -> Plane:
        """Give CPEN's average features of a plane; they can be averaged over planes."""
        lq = pad_to_multiple(self._tensor(plane), self.config)
        part = F.pixel_unshuffle(lq, self.config.cpen_unshuffle)
        pooled = pooled_features(self._network.condition, part, self.options.tile)
        return pooled[0].cpu().numpy()

    @torch.inference_mode()
    def ipr_from(self, features: Plane, source: str) -> IPR:
        """Estimate the IPR from pooled features, by T reverse steps from the seed."""
        pooled = torch.from_numpy(features)[None].to(self.device)
        generator = torch.Generator().manual_seed(self.options.seed)
        start = torch.randn((1, self.config.ipr_length), generator=generator)
        condition = self._network.condition.mlp(pooled)
        chain = self._network.reverse_chain(condition, start.to(self.device))
        values = chain[:, 0].cpu().numpy()
        model, seed = self.model.fingerprint, self.options.seed
        return IPR(values[-1].copy(), model, seed, values, source)

    def extract_ipr(self, plane: Plane, source: str = "") -> IPR:
        """Estimate the IPR of one plane."""
        return self.ipr_from(self.features(plane), source)

    def restore(self, plane: Plane, ipr: IPR) -> Generator[float, None, Plane]:
        """Restore a plane; yield the fraction done after each strip.

        Returns (out_channels, height * scale, width * scale) in model units.
        """
        height, width = plane.shape[-2:]
        self._check_memory(height, width)
        with torch.inference_mode():
            lq = pad_to_multiple(self._tensor(plane), self.config)
            vector = torch.from_numpy(ipr.vector)[None].to(self.device)
            work = self.runner.restore(self._network.G, lq, vector)
        total, done = total_work(self._network.G, *lq.shape[-2:]), 0.0
        while True:
            # Entered anew for each strip: the mode must not leak out of a generator.
            with torch.inference_mode():
                try:
                    done += next(work)
                except StopIteration as finished:
                    scale = self.config.scale
                    image = finished.value[0, :, : height * scale, : width * scale]
                    return image.float().cpu().numpy()  # type: ignore[no-any-return]
            yield min(1.0, done / total)

    def predicted_peak_bytes(self, height: int, width: int) -> int:
        """Predict the working memory for a plane of this size."""
        return predicted_peak_bytes(self._network.G, height, width)

    def _check_memory(self, height: int, width: int) -> None:
        peak = self.predicted_peak_bytes(height, width)
        budget = self.options.memory_bytes() or free_memory_bytes(self.device)
        if budget is not None and peak > budget:
            raise InputError(
                f"A plane of {height} x {width} needs about {peak / 1e9:.1f} GB with "
                f"'{self.model.name}', the budget is "
                f"{self.options.memory or f'what is free, {budget / 1e9:.1f} GB'}; "
                "raise memory or crop the image."
            )

    def _tensor(self, plane: Plane) -> Tensor:
        contiguous = np.ascontiguousarray(plane, dtype=np.float32)
        return torch.from_numpy(contiguous)[None].to(self.device)


def _check_ipr(ipr: IPR, model: Model) -> None:
    if ipr.model != model.fingerprint:
        raise InputError(
            f"The IPR belongs to another model (fingerprint {ipr.model[:8]}…, this one "
            f"is {model.fingerprint[:8]}…)."
        )
    length = model.config.ipr_length
    if ipr.vector.shape != (length,) or not np.isfinite(ipr.vector).all():
        raise InputError(
            f"The IPR must be {length} finite numbers, not {ipr.vector.size}, or not "
            "finite; extract it anew."
        )


def free_memory_bytes(device: torch.device) -> int | None:
    """Give the free memory of a device, or None where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def choose_device(name: str) -> torch.device:
    """Give the device for 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"Device '{name}' is not there; use 'cpu' or 'auto'."
        ) from error
    return device


def _on_device(network: DiffIRS2, device: torch.device) -> DiffIRS2:
    """Give the network there, without moving the caller's."""
    if device.type == "cpu":
        return network
    return copy.deepcopy(network).to(device)
