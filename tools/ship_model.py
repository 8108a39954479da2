"""Put the weights of a training run into the package, with their card.

    python tools/ship_model.py training/recipes/shipped/fluo-denoise-4.yaml \
        runs/fluo-denoise-4

Weights are rounded to float16. With `--figures FILE` (the JSON of
`benchmarks/quality.py`), the measured quality goes into the card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from diffir_training.recipe import Recipe

from diffir_core import load_model, save_model
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
    if options.figures:
        card = card.replace(figures=_figures(options.figures, card.name))
    path = MODELS / f"{card.name}.safetensors"
    save_model(
        path,
        trained.restorer,
        card=card,
        statistics=trained.statistics,
        dtype="float16",
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


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
