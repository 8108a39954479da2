"""Tables of `benchmarks/sharpness.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from image_quality.blurred import Level
from image_quality.sharpening import SharpRow
from image_quality.tables import markdown


def sharpness_table(rows: list[SharpRow]) -> Iterator[str]:
    """Yield mean PSNR and SSIM, a line for each method, a column for each level."""
    columns = _by_level(rows)
    head = ["PSNR, dB / SSIM", *(level.title for level in columns)]
    lines = (
        [method, *(_mean(own, method) for own in columns.values())]
        for method in rows[0].scores
    )
    return markdown(head, lines)


def worse_table(rows: list[SharpRow], model: str, given: str) -> Iterator[str]:
    """Yield how often a model is worse than its input by PSNR, and the worst image."""
    head = ["level", "images", f"worse than {given}", "least gain, dB", "of image"]
    lines = (
        [level.title, str(len(own)), *_worst(own, model, given)]
        for level, own in _by_level(rows).items()
    )
    return markdown(head, lines)


def _by_level(rows: list[SharpRow]) -> dict[Level, list[SharpRow]]:
    columns: dict[Level, list[SharpRow]] = {}
    for row in rows:
        columns.setdefault(row.level, []).append(row)
    return columns


def _mean(rows: list[SharpRow], method: str) -> str:
    psnr, ssim = (
        np.mean([getattr(row.scores[method], number) for row in rows])
        for number in ("psnr", "ssim")
    )
    return f"{psnr:.2f} / {ssim:.3f}"


def _worst(rows: list[SharpRow], model: str, given: str) -> list[str]:
    gains = [row.scores[model].psnr - row.scores[given].psnr for row in rows]
    least = int(np.argmin(gains))
    worse = sum(gain < 0 for gain in gains)
    return [str(worse), f"{gains[least]:+.2f}", rows[least].name]
