"""Put the weights of a training run into the package, with their card.

    python tools/ship_model.py training/recipes/shipped/fluo-denoise-4.yaml \
        runs/fluo-denoise-4

Weights are rounded to float16, with `--significant-bits` more coarsely: then files stay
as large, and the wheel packs them to less. What a megapixel costs on this machine is
measured and goes into the card, as does what `tools/measure_cost.py` measured on others
(`--costs`); with `--figures FILE` (the JSON of `benchmarks/quality.py` or
`sharpness.py`, which need the shipped file: ship twice) the measured quality does, too.
"""

from __future__ import annotations

import argparse
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from diffir_training.recipe import Recipe
from measure_cost import measured

from diffir_core import load_model, save_model
from diffir_core.card import ModelCard
from diffir_core.nn import DiffIRS2

MODELS = Path(__file__).parent.parent / "diffir_core" / "models"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("run", type=Path, help="Folder of the training run.")
    parser.add_argument("--figures", type=Path)
    parser.add_argument(
        "--costs", type=Path, nargs="*", default=[], help="Of other machines."
    )
    parser.add_argument(
        "--significant-bits", type=int, default=11, help="Of a weight; float16 has 11."
    )
    options = parser.parse_args()
    recipe = Recipe.from_yaml(options.recipe)
    trained = load_model(options.run / "stage2.safetensors")
    card = recipe.card or ModelCard(name=recipe.name)
    figures: dict[str, float | str] = {**measured(trained)}
    for path in options.costs:
        figures |= json.loads(path.read_text())[card.name]
    if options.figures:
        figures |= quality_figures(options.figures, card.name)
    card = card.replace(figures=figures)
    path = MODELS / f"{card.name}.safetensors"
    save_model(
        path,
        rounded(trained.restorer, options.significant_bits),
        card=card,
        statistics=trained.statistics,
        dtype="float16",
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def rounded(network: DiffIRS2, bits: int) -> DiffIRS2:
    """Give a copy whose parameters have so many significant bits, and zeros beyond."""
    copy = deepcopy(network)
    with torch.no_grad():
        for parameter in copy.parameters():
            mantissa, exponent = torch.frexp(parameter)
            kept = (mantissa * 2**bits).round()
            parameter.copy_(torch.ldexp(kept, exponent - bits))
    return copy


def quality_figures(path: Path, name: str) -> dict[str, float]:
    """Give the mean PSNR (dB) and SSIM of each set, rounded down."""
    figures = {}
    for title, rows in _sets(json.loads(path.read_text())).items():
        for method in ("noisy", "degraded", name):
            if method not in rows[0]["scores"]:
                continue
            for metric, digits in (("psnr", 100), ("ssim", 1000)):
                mean = sum(row["scores"][method][metric] for row in rows) / len(rows)
                figures[f"{title}, {method}, {metric}"] = int(mean * digits) / digits
    return figures


def _sets(found: Any) -> dict[str, list[Any]]:
    """Give rows by set: `quality.py` sorts them, `sharpness.py` names their level."""
    if isinstance(found, dict):
        return found
    sets: dict[str, list[Any]] = {}
    for row in found:
        sets.setdefault(f"blur {row['title']}", []).append(row)
    return sets


if __name__ == "__main__":
    main()
