"""How the IPRs of training patches are spread, and how well stage 2 estimates them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from diffir_core.ipr_statistics import IPRStatistics
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_training.batches import Batch

STATISTICS_STEP = 1 << 41
"""The number of the batches that are measured; no step has it."""


@torch.no_grad()
def measure_iprs(
    network: DiffIRS2,
    teacher: DiffIRS1 | None,
    batches: Iterable[Batch],
    device: torch.device,
) -> IPRStatistics:
    """Estimate the IPR of every patch from its degraded side alone, and compare.

    Every patch has a start noise of its own, from a generator of seed 0. Without the
    teacher of stage 1, nothing is known of the estimate's errors.
    """
    generator = torch.Generator().manual_seed(0)
    estimates, truths = [], []
    for batch in batches:
        moved = batch.to(device)
        noise = torch.randn(
            (len(batch.noisy), network.config.ipr_length), generator=generator
        )
        estimates.append(network.extract_ipr(moved.noisy, noise=noise.to(device)))
        if teacher is not None:
            truths.append(teacher.extract_ipr(moved.noisy, moved.clean))
    return IPRStatistics.of(_joined(estimates), _joined(truths) if truths else None)


def _joined(parts: list[torch.Tensor]) -> NDArray[np.float32]:
    return np.concatenate([part.float().cpu().numpy() for part in parts])
