"""Crops of a few images, by method, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffir_core import metrics
from image_quality.methods import NOISY, Method
from image_quality.pairs import RANGE, Image, Pair
from image_quality.sets import SETS

_SIDE = 128
_EXAMPLES = (
    ("w2s", "channel 0"),
    ("w2s", "channel 2"),
    ("fmd mixed", "Confocal_BPAE_G"),
    ("fmd mixed", "Confocal_FISH"),
    ("fmd mixed", "Confocal_MICE"),
)


def draw(path: Path, methods: list[Method], data: Path) -> None:
    """Draw an example of each of a few groups; a row an image, a column a method."""
    import matplotlib.pyplot as plt

    pairs = [_first(data, title, group) for title, group in _EXAMPLES]
    shown = [method for method in methods if not method.is_oracle]
    size = (1.7 * (len(shown) + 1), 2.1 * len(pairs))
    figure, axes = plt.subplots(len(pairs), len(shown) + 1, figsize=size)
    for row, pair in zip(axes, pairs, strict=True):
        where = brightest(pair.reference)
        low, high = np.percentile(pair.reference[where], (0.5, 99.8))
        for cell, method in zip(row, [*shown, None], strict=True):
            image = method.restore(pair) if method else pair.reference
            cell.imshow(image[where], cmap="gray", vmin=low, vmax=high)
            cell.set_title(_title(pair, image, method), fontsize=7)
            cell.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=150)


def _first(data: Path, title: str, group: str) -> Pair:
    return next(pair for pair in SETS[title](data) if pair.group == group)


def brightest(reference: Image) -> tuple[slice, slice]:
    """Give the window with most contrast, of a coarse grid."""
    rows, columns = (range(0, n - _SIDE + 1, _SIDE // 2) for n in reference.shape)
    windows = [
        (slice(y, y + _SIDE), slice(x, x + _SIDE)) for y in rows for x in columns
    ]
    return max(windows, key=lambda window: float(np.std(reference[window])))


def _title(pair: Pair, image: Image, method: Method | None) -> str:
    if method is None:
        return "reference"
    psnr = metrics.psnr(image, pair.reference, RANGE)
    name = f"{pair.group}, {NOISY}" if method.name == NOISY else method.name
    return f"{name}\n{psnr:.2f} dB"
