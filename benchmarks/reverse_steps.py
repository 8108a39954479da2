"""How many reverse steps T does the IPR need? Models that were trained with each.

    for t in 1 2 3 4 5 6 7 8; do
        diffir train benchmarks/recipes/estimation-alone.yaml --output runs/T$t \
            --set model.timesteps=$t
    done
    python benchmarks/reverse_steps.py runs/T?/stage2.safetensors --stage1 FILE
        [--data DIR] [--limit 5]

On `--limit` images of each set, evenly spread: PSNR in dB under the IPR that each model
estimates, and how far that is from the one which stage 1 makes of noisy image and
reference together: the mean absolute difference over the mean absolute value.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from image_quality.pairs import RANGE, Pair, check_data, default_data, spread
from image_quality.sets import IPR_SETS, SETS
from image_quality.tables import markdown

import diffir_core as diffir
from diffir_core import metrics


def main() -> None:
    """Restore by each model and print the table as Markdown."""
    options = _options()
    stage1 = diffir.load_model(options.stage1)
    sets = {
        title: spread(SETS[title](options.data), options.limit) for title in IPR_SETS
    }
    rows = []
    for path in options.models:
        model = diffir.load_model(path)
        found = {
            title: [_found(pair, model, stage1) for pair in pairs]
            for title, pairs in sets.items()
        }
        psnrs = [f"{np.mean([psnr for psnr, _ in f]):.2f}" for f in found.values()]
        apart = np.mean([off for f in found.values() for _, off in f])
        rows.append([str(model.config.timesteps), *psnrs, f"{apart:.3f}"])
    for line in markdown(["T", *sets, "off by"], rows):
        print(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, help="stage-2 files")
    parser.add_argument("--stage1", type=Path, required=True, help="their teacher")
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--limit", type=int, default=5, help="images of each set")
    options = parser.parse_args()
    check_data(options.data)
    return options


def _found(
    pair: Pair, model: diffir.Model, stage1: diffir.Model
) -> tuple[float, float]:
    """Give the PSNR of an image, and by how much its IPR is off, as a fraction."""
    own = diffir.extract_ipr(pair.noisy, model, axes="YX")
    options = diffir.RestoreOptions(ipr=own, output_dtype="float32")
    restored = diffir.restore(pair.noisy, model, axes="YX", options=options)
    psnr = metrics.psnr(restored, pair.reference, RANGE)
    taught = diffir.reference_ipr(pair.noisy, pair.reference, model, stage1).vector
    return psnr, float(np.abs(own.vector - taught).mean() / np.abs(taught).mean())


if __name__ == "__main__":
    main()
