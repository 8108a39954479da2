"""Put the weights of a training run into the package, with their card.

    python tools/ship_model.py training/recipes/shipped/fluo-denoise-4.yaml \
        runs/fluo-denoise-4

Weights are rounded to float16. What a megapixel costs on this machine is measured and
goes into the card; with `--figures FILE` (the JSON of `benchmarks/quality.py`, which
needs the shipped file: ship twice) the measured quality does, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import time
from pathlib import Path

import numpy as np
from diffir_training.recipe import Recipe

from diffir_core import Model, RestoreOptions, load_model, restore, save_model
from diffir_core.card import ModelCard

MODELS = Path(__file__).parent.parent / "diffir_core" / "models"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path, help="Folder of the training run.")
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    recipe = Recipe.from_yaml(options.recipe)
    trained = load_model(options.run / "stage2.safetensors")
    card = recipe.card or ModelCard(name=recipe.name)
    figures: dict[str, float | str] = {**_cost(trained)}
    if options.figures:
        figures |= _figures(options.figures, card.name)
    card = card.replace(figures=figures)
    path = MODELS / f"{card.name}.safetensors"
    save_model(
        path,
        trained.restorer,
        card=card,
        statistics=trained.statistics,
        dtype="float16",
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _cost(model: Model) -> dict[str, str]:
    """Time the restoration of a megapixel, the median of three after one to warm up."""
    image = np.random.default_rng(0).integers(0, 4096, (1024, 1024)).astype(np.uint16)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        restore(image, model, axes="YX", options=RestoreOptions(device="cpu"))
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[1:]) / (image.size / 1e6)
    return {
        f"ms per megapixel on {_processor()}": f"{1000 * median:.0f}",
        "ms per megapixel on a GPU": "not measured",
    }


def _processor() -> str:
    """Name the processor and how many cores are at hand."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}"


def _figures(path: Path, name: str) -> dict[str, float]:
    """Give the mean PSNR (dB) and SSIM of each set, rounded down."""
    figures = {}
    for title, rows in json.loads(path.read_text()).items():
        for method in ("noisy", name):
            for metric, digits in (("psnr", 100), ("ssim", 1000)):
                mean = sum(row["scores"][method][metric] for row in rows) / len(rows)
                figures[f"{title}, {method}, {metric}"] = int(mean * digits) / digits
    return figures


if __name__ == "__main__":
    main()
