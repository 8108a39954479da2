"""Methods that sharpen or enlarge, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

import diffir_core as diffir
from diffir_core import metrics
from diffir_core.model import Model
from image_quality.blurred import Blurred, Float64, Level, Task
from image_quality.deconvolution import (
    BALANCES,
    ITERATIONS,
    enlarged,
    richardson_lucy,
    wiener,
)

Restore = Callable[[Blurred], Float64]

DEGRADED = "degraded"
INPUT: dict[Task, str] = {"deblur": DEGRADED, "sr": "bicubic"}
"""What a model must not be worse than."""
DENOISER = "fluo-denoise"
BORDER_PIXELS = 8
"""Left out of all scores: what lies beyond the border was blurred into it."""


@dataclass(frozen=True, slots=True)
class Sharpener:
    """A way to get from counts to the clean image, in its units."""

    name: str
    restore: Restore
    oracle: str = ""
    """What it is one setting of: only the best setting is shown, under this name."""


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How near to the clean image, of the range 0 .. 1."""

    psnr: float
    """In dB."""
    scale_invariant_psnr: float
    """In dB, after the best gain and offset."""
    ssim: float


@dataclass(frozen=True, slots=True)
class SharpRow:
    """One image at one level, by method."""

    name: str
    level: Level
    scores: dict[str, Sharpness]


def baselines(task: Task) -> list[Sharpener]:
    """List what a model for the task is compared with, the input first."""
    denoiser = of_model(diffir.load_model(DENOISER))
    # Several methods begin with it, one after the other for the same image.
    once = replace(denoiser, restore=lru_cache(maxsize=1)(denoiser.restore))
    given = Sharpener(DEGRADED, lambda image: image.units)
    return _enlarging(given, once) if task == "sr" else _deblurring(given, once)


def _enlarging(given: Sharpener, denoiser: Sharpener) -> list[Sharpener]:
    return [
        Sharpener(INPUT["sr"], _then_enlarged(given)),
        Sharpener(f"{denoiser.name}, {INPUT['sr']}", _then_enlarged(denoiser)),
    ]


def _then_enlarged(first: Sharpener) -> Restore:
    return lambda image: enlarged(first.restore(image), image.level.binning)


def _deblurring(given: Sharpener, denoiser: Sharpener) -> list[Sharpener]:
    return [
        given,
        *(_by_wiener(balance) for balance in BALANCES),
        *(_by_richardson_lucy(given, count) for count in ITERATIONS),
        denoiser,
        *(_by_richardson_lucy(denoiser, count) for count in ITERATIONS),
    ]


def _by_wiener(balance: float) -> Sharpener:
    return Sharpener(
        f"Wiener, balance {balance:g}",
        lambda image: wiener(image.units, image.level, balance),
        "Wiener, true PSF, best balance (oracle)",
    )


def _by_richardson_lucy(first: Sharpener, count: int) -> Sharpener:
    """Sharpen the image as it is, or denoised."""
    prefix = "" if first.name == DEGRADED else f"{first.name}, "
    name = f"{prefix}Richardson-Lucy"
    return Sharpener(
        f"{name}, iterations {count}",
        lambda image: richardson_lucy(first.restore(image), image.level, count),
        f"{name}, true PSF, best iterations (oracle)",
    )


def of_model(model: Model) -> Sharpener:
    """Restore with a DiffIR model as anybody would: counts in, counts out."""
    return Sharpener(model.name, lambda image: restored(image, model))


def restored(image: Blurred, model: Model) -> Float64:
    """Give what a model makes of the counts, in the units of the clean image."""
    return image.in_units(diffir.restore(image.counts, model, axes="YX"))


def score_row(image: Blurred, methods: Iterable[Sharpener]) -> SharpRow:
    """Score an image by every method."""
    scores = {
        method.name: sharpness(image, method.restore(image)) for method in methods
    }
    return SharpRow(image.name, image.level, scores)


def sharpness(image: Blurred, result: Float64) -> Sharpness:
    """Compare with the clean image, the border left out."""
    if result.shape != image.clean.shape:
        raise ValueError(f"{result.shape} cannot be compared with {image.clean.shape}")
    inner = slice(BORDER_PIXELS, -BORDER_PIXELS)
    found, clean = result[inner, inner], image.clean[inner, inner]
    return Sharpness(
        psnr=metrics.psnr(found, clean, 1.0),
        scale_invariant_psnr=metrics.scale_invariant_psnr(found, clean, 1.0),
        ssim=metrics.ssim(found, clean, 1.0),
    )


def best_settings(
    rows: Iterable[SharpRow], methods: list[Sharpener]
) -> dict[str, list[Sharpener]]:
    """Give, by PSF and exposure, what to show: of an oracle the best setting by PSNR.

    It is the best in the mean over images and widths of such a PSF.
    """
    alike: dict[str, list[SharpRow]] = {}
    for row in rows:
        alike.setdefault(row.level.setting, []).append(row)
    return {setting: _best(own, methods) for setting, own in alike.items()}


def _best(rows: list[SharpRow], methods: list[Sharpener]) -> list[Sharpener]:
    settings: dict[str, list[Sharpener]] = {}
    for method in methods:
        settings.setdefault(method.oracle or method.name, []).append(method)
    return [
        max(own, key=lambda method: _mean_psnr(rows, method.name))
        for own in settings.values()
    ]


def _mean_psnr(rows: list[SharpRow], method: str) -> float:
    return float(np.mean([row.scores[method].psnr for row in rows]))


def with_oracles(
    rows: Iterable[SharpRow], best: dict[str, list[Sharpener]]
) -> list[SharpRow]:
    """Put the best setting in the place of all that were tried."""
    return [
        replace(
            row,
            scores={
                method.oracle or method.name: row.scores[method.name]
                for method in best[row.level.setting]
            },
        )
        for row in rows
    ]
