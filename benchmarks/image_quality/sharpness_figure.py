"""Crops of a few images: clean, degraded, the best without a model, models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from image_quality.blurred import (
    LEVELS,
    Blurred,
    Float64,
    GaussianPsf,
    Level,
    Task,
    degraded,
)
from image_quality.figure import brightest
from image_quality.pairs import spread
from image_quality.sharpening import Sharpener, sharpness
from image_quality.simulated_sets import clean_variety

_IMAGES = 4


def draw_sharpness(
    path: Path, data: Path, task: Task, others: list[Sharpener], models: list[Sharpener]
) -> None:
    """Draw a few images with many photons, a row an image; `others[0]` is the input.

    Of the others that is shown which is best for the very image, an oracle as well.
    """
    import matplotlib.pyplot as plt

    clean = spread(clean_variety(data), _IMAGES)
    images = [degraded(name, plane, _level(task)) for name, plane in clean]
    columns = 3 + len(models)
    size = (2.2 * columns, 2.5 * len(images))
    figure, axes = plt.subplots(len(images), columns, figsize=size, squeeze=False)
    for row, image in zip(axes, images, strict=True):
        where = brightest(image.clean)
        low, high = np.percentile(image.clean[where], (0.5, 99.8))
        crops = _titled(image, others, models)
        for cell, (title, result) in zip(row, crops, strict=True):
            cell.imshow(result[where], cmap="gray", vmin=low, vmax=high)
            cell.set_title(title, fontsize=7)
            cell.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=150)


def _level(task: Task) -> Level:
    """Take the middle one of those with most photons."""
    white = [
        level
        for level in LEVELS[task]
        if isinstance(level.psf, GaussianPsf) and not level.scan
    ]
    most = max(level.photons for level in white)
    levels = [level for level in white if level.photons == most]
    return levels[len(levels) // 2]


def _titled(
    image: Blurred, others: list[Sharpener], models: list[Sharpener]
) -> Iterator[tuple[str, Float64]]:
    yield image.name, image.clean
    given, *classical = ((method.name, method.restore(image)) for method in others)
    best = max(classical, key=lambda named: sharpness(image, named[1]).psnr)
    results = [(model.name, model.restore(image)) for model in models]
    for name, result in (given, best, *results):
        yield f"{name}\n{sharpness(image, result).psnr:.2f} dB", result
