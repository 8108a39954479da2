"""Checks that run before something fast is trusted."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.device import inferring
from diffir_core.engine.folding import FoldedBlock, Projection, fold
from diffir_core.engine.planes import Job, array_plane
from diffir_core.engine.runner import Runner
from diffir_core.engine.storage import MemoryStore
from diffir_core.engine.streams import AttentionSums, Streams, StripShape
from diffir_core.engine.tiling import Tiling
from diffir_core.engine.torch_streams import TorchStreams
from diffir_core.engine.workers import Workers
from diffir_core.metrics import psnr
from diffir_core.nn import DiffIRS2
from diffir_core.nn.diffusion import standard_normal

_SIDE = 128
_TOLERANCE = 1e-5


def psnr_of_precision(
    network: DiffIRS2, dtype: torch.dtype, workers: Workers, device: torch.device
) -> float:
    """Give the PSNR (dB, peak 1) of `dtype` against float32 on a fixed test image."""
    image = probe_image(network.config.in_channels)
    with inferring(device):
        ipr = network.extract_ipr(torch.from_numpy(image)[None].to(device))[0]
        results = []
        for precision in (torch.float32, dtype):
            size = _SIDE * network.config.scale
            out = np.empty((network.config.out_channels, size, size), np.float32)
            folded = fold(network.G, ipr, precision)
            job = Job(array_plane(image, network.config, out), folded)
            runner = Runner(network.G, workers, MemoryStore(device), Tiling(), device)
            for _ in runner.restore([job]):
                pass
            results.append(out)
    return psnr(results[1], results[0], data_range=1.0)


def probe_image(channels: int, side: int = _SIDE) -> NDArray[np.float32]:
    """Give spots, stripes and a gradient under noise, (channels, side, side)."""
    y, x = np.mgrid[:side, :side] / _SIDE
    spots = np.exp(-200 * ((x * 4 % 1 - 0.5) ** 2 + (y * 4 % 1 - 0.5) ** 2) / 16)
    clean = 0.3 * spots + 0.2 * (np.sin(60 * x * y) > 0.5) + 0.3 * x
    noise = np.random.default_rng(0).normal(0, 0.05, (channels, side, side))
    image: NDArray[np.float32] = (clean + noise).astype(np.float32)
    return image


@cache
def native_agrees(native: Streams) -> bool:
    """Tell whether streams in C equal those of PyTorch, on a random block."""
    with inferring(torch.device("cpu")):
        block, x = _random_block(), torch.from_numpy(probe_image(22)[:, :9, :20])
        pixels = x.permute(1, 2, 0).contiguous()
        ours, theirs = (
            _pass(streams, block, pixels) for streams in (native, TorchStreams())
        )
    return all(
        float((a - b).abs().max()) < _TOLERANCE * (1 + float(b.abs().max()))
        for a, b in zip(ours, theirs, strict=True)
    )


def _pass(streams: Streams, block: FoldedBlock, x: Tensor) -> tuple[Tensor, ...]:
    """Give the rows of a block's output that are finished, and the sums."""
    rows, width = x.shape[:2]
    shape = StripShape(rows, width, rows, slice(3, 17), x.device)
    stream = streams.main(block, block.project, block, shape)
    stream.input.copy_(x)
    stream.push(0)
    sums: AttentionSums = stream.sums()
    return (stream.output[2:].clone(), *(part.float() for part in sums))


def _random_block() -> FoldedBlock:
    """Give a block of 22 channels and 37 hidden ones: no whole vectors of either."""
    c, h = 22, 37
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return standard_normal(shape, generator) / 4

    def projection(n: int) -> Projection:
        return Projection(random(c + 1, n), random(9, n), random(n))

    return FoldedBlock(
        qk=projection(2 * c),
        v=projection(c),
        gated=projection(2 * h),
        out=random(h, c),
        out_bias=random(c),
        project=random(c, c),
        project_bias=random(c),
        temperature=random(2, 1, 1),
        heads=2,
        keeps_mean=False,
    )
