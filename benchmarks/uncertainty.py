"""Compare the spread of samples with real errors.

    python benchmarks/uncertainty.py [--data DIR] [--limit N] [--samples 8]

On real pairs that no model was trained on. By kind of sample: the rank correlation of
the spread with the squared error, both averaged over 8 x 8 pixels; the share of the
squared error that goes when the least sure tenth of the image is left out, beside that
of a perfect order (no order leaves out a tenth); and the error over the spread, by root
mean square, which is 1 if calibrated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from image_quality.pairs import default_data
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.io import imread
from skimage.measure import block_reduce

import diffir_core as diffir
from diffir_core.stacks.drawing import SampleKind

KINDS: tuple[SampleKind, ...] = ("noise", "symmetries", "ipr", "seeds")
_BLOCK = 8
_LEFT_OUT = 0.1
Image = NDArray[np.float64]


def pairs(folder: Path) -> Iterator[tuple[str, Image, Image]]:
    """Give name, noisy and clean image of W2S, in the units of the noisy one."""
    w2s = folder / "paired" / "w2s"
    for noisy in sorted((w2s / "noisy_avg1").glob("*.tif")):
        clean = imread(w2s / "gt_avg400" / noisy.name).astype(np.float64)
        image = imread(noisy).astype(np.float64)
        gain, offset = np.polyfit(clean.ravel(), image.ravel(), 1)
        yield noisy.stem, image, gain * clean + offset


def judged(error: Image, deviation: Image) -> tuple[float, float, float, float]:
    """Give rank correlation, share left out, that of a perfect order, calibration."""
    blocks = (_BLOCK, _BLOCK)
    square = block_reduce(error**2, blocks, np.mean).ravel()
    spread = block_reduce(deviation**2, blocks, np.mean).ravel()
    count = int(_LEFT_OUT * len(square))
    shares = [
        square[np.argsort(order)[-count:]].sum() / square.sum()
        for order in (spread, square)
    ]
    ratio = float(np.sqrt(square.mean() / max(spread.mean(), 1e-12)))
    return float(spearmanr(square, spread)[0]), *map(float, shares), ratio


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--limit", type=int, default=6)
    parser.add_argument("--samples", type=int, default=8)
    options = parser.parse_args()
    model = diffir.load_model(options.model)
    images = list(pairs(options.data))
    if not images:
        sys.exit(f"No pairs of W2S at {options.data}; pass --data or set DIFFIR_DATA.")
    images = images[:: max(1, len(images) // options.limit)][: options.limit]
    print(f"{options.model}, {len(images)} pairs, {options.samples} samples\n")
    print("| kind | rank correlation | error left out | perfect | error / spread |")
    print("|---|---|---|---|---|")
    for kind in KINDS:
        if kind == "ipr" and model.statistics is None:
            print(f"| {kind} | not stored with this model | | | |")
            continue
        rows = []
        for _, noisy, clean in images:
            mean, deviation = diffir.restore_samples(
                noisy, model, axes="YX", samples=options.samples, kind=kind
            )
            rows.append(judged(mean - clean, deviation.astype(np.float64)))
        rank, share, perfect, ratio = np.mean(rows, axis=0)
        print(f"| {kind} | {rank:.2f} | {share:.0%} | {perfect:.0%} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
