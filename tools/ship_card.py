"""Put a model into the package that has the weights of another one, under its own card.

    python tools/ship_card.py training/recipes/shipped/cards/fluo-denoise-large.yaml

The file names the weights and says in what the card differs from theirs. What a
megapixel costs on this machine is measured; `--figures` is that of `ship_model.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from measure_cost import measured
from ship_model import MODELS, quality_figures

from diffir_core import load_model
from diffir_core._shared_weights import write_card
from diffir_core.card import ModelCard


def main() -> None:
    """Write the file, twice: its cost is measured with the card that it will have."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card", type=Path)
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    about: dict[str, Any] = yaml.safe_load(options.card.read_text(encoding="utf-8"))
    weights = MODELS / f"{about['weights']}.safetensors"
    theirs = load_model(weights).card or ModelCard()
    card = theirs.replace(**about["card"], figures={})
    path = MODELS / f"{card.name}.safetensors"
    write_card(path, weights, card)
    figures = _costs(path, weights)
    if options.figures:
        figures |= quality_figures(options.figures, card.name)
    write_card(path, weights, card.replace(figures=figures))
    print(f"{path}: {path.stat().st_size / 1e3:.1f} kB, weights of {weights.name}")


def _costs(path: Path, weights: Path) -> dict[str, float | str]:
    """Time both models side by side: machines are not always equally fast."""
    figures: dict[str, float | str] = {**measured(load_model(path))}
    for what, cost in measured(load_model(weights)).items():
        figures[f"{what}, at the same time {weights.stem}"] = cost
    return figures


if __name__ == "__main__":
    main()
