"""How good a network is on patches that training never sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from diffir_core.metrics import psnr, ssim
from diffir_training.batches import Batch, drawn
from diffir_training.data import TrainingData
from diffir_training.recipe import ValidationConfig

_SHOWN = 4
_VALIDATION_STEP = 1 << 40
"""A number of batches that no step has."""


class Restores(Protocol):
    """What validation needs of a stage."""

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Give the restored patches (b, c, h, w) of a batch, by `network`."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the held-back patches; the peak is 1 in model units."""

    psnr_db: float
    ssim: float
    input_psnr_db: float
    """Of the degraded patches themselves; nan where they are of another size."""


def held_back_batches(
    plan: ValidationConfig | None, data: TrainingData, device: torch.device
) -> list[Batch]:
    """Draw the patches that a plan validates on; none without a plan or images."""
    if plan is None or data.held_back is None:
        return []
    size = min(plan.patch_size, data.largest_held_back)
    batches = drawn(data.held_back, _VALIDATION_STEP, size, plan.patches)
    return [batch.to(device) for batch in batches]


@torch.no_grad()
def validate(stage: Restores, network: nn.Module, batches: list[Batch]) -> Quality:
    """Measure `network` on batches of held-back patches."""
    rows = []
    for batch in batches:
        restored = stage.restored(network, batch).float().cpu().numpy()
        clean, noisy = (side.cpu().numpy() for side in (batch.clean, batch.noisy))
        for one, target, given in zip(restored, clean, noisy, strict=True):
            before = float("nan")
            if given.shape == target.shape:
                before = psnr(given, target, data_range=1.0)
            rows.append(
                (
                    psnr(one, target, data_range=1.0),
                    _mean_ssim(one, target),
                    before,
                )
            )
    means = np.asarray(rows).mean(axis=0)
    return Quality(*(float(mean) for mean in means))


def _mean_ssim(one: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """Give the mean over the channels, each compared by itself."""
    channels = zip(one, target, strict=True)
    return float(np.mean([ssim(a, b, data_range=1.0) for a, b in channels]))


@torch.no_grad()
def save_preview(stage: Restores, network: nn.Module, batch: Batch, path: Path) -> None:
    """Write input, restored and reference of some patches side by side, as PNG."""
    from skimage.io import imsave

    few = batch.some(range(min(_SHOWN, len(batch.noisy))))
    restored = stage.restored(network, few).float()
    size = tuple(few.clean.shape[-2:])
    given = nn.functional.interpolate(few.noisy.float(), size, mode="nearest")
    rows = [
        torch.cat([_shown(image) for image in images], dim=-1)
        for images in zip(given, restored, few.clean, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, _as_bytes(torch.cat(rows, dim=-2)), check_contrast=False)


def _shown(image: Tensor) -> Tensor:
    """Give three channels, or one."""
    return image[:3] if image.shape[0] >= 3 else image[:1]


def _as_bytes(image: Tensor) -> NDArray[np.uint8]:
    values = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.moveaxis(values, 0, -1).squeeze()
