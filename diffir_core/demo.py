"""The demonstration: restore the bundled stack, measure, and draw what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core import metrics
from diffir_core._whole_files import make_folder
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.samples import sample_path
from diffir_core.stacks.restoring import restore_file
from diffir_core.stacks.stream import RestoreProgress

_GAP_PIXELS = 6


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Where the results are, and how near noisy and restored are to the reference."""

    stack: Path
    picture: Path
    noisy_psnr: float
    noisy_ssim: float
    restored_psnr: float
    restored_ssim: float


def run_demo(
    model: Model,
    folder: Path,
    progress: Callable[[RestoreProgress], None] | None = None,
) -> DemoResult:
    """Restore the noisy sample into `folder`, and compare it with its reference."""
    import tifffile

    if model.config.scale != 1:
        raise InputError(
            f"'{model.name}' gives images {model.config.scale} times as large, and the "
            "sample has no such reference; choose a model that keeps the size."
        )
    make_folder(folder)
    stack, picture = (
        folder / "restored.ome.tif",
        folder / "noisy-restored-reference.png",
    )
    restore_file(sample_path("noisy"), stack, model, overwrite=True, progress=progress)
    noisy, reference = (tifffile.imread(sample_path(n)) for n in ("noisy", "reference"))
    restored = tifffile.imread(stack)
    _draw(picture, [image[len(image) // 2] for image in (noisy, restored, reference)])
    return DemoResult(
        stack, picture, *_quality(noisy, reference), *_quality(restored, reference)
    )


def _quality(image: NDArray[Any], reference: NDArray[Any]) -> tuple[float, float]:
    """Give PSNR and mean SSIM, with the reference's own range as peak."""
    peak = float(np.ptp(reference))
    pairs = zip(image, reference, strict=True)
    ssim = np.mean([metrics.ssim(plane, target, peak) for plane, target in pairs])
    return metrics.psnr(image, reference, peak), float(ssim)


def _draw(path: Path, planes: list[NDArray[Any]]) -> None:
    """Draw planes side by side, all with the contrast limits of the last one."""
    from skimage.io import imsave

    low, high = np.percentile(planes[-1], (0.5, 99.8))
    gap = np.full((planes[0].shape[0], _GAP_PIXELS), 255, np.uint8)
    shown = [
        (np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        for plane in planes
    ]
    imsave(
        path,
        np.hstack([shown[0], gap, shown[1], gap, shown[2]]),
        check_contrast=False,
    )
