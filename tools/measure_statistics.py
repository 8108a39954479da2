"""Measure how a shipped model's IPRs are spread over its training patches, and keep it.

    python tools/measure_statistics.py training/recipes/fluo-denoise.yaml fluo-denoise \
        --set data.folder=DATA/train

For models that were trained before training did it by itself. Their stage 1 is gone, so
that nothing is known of the errors of the estimate. Weights and fingerprint stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from diffir_training.batches import Batch, drawn
from diffir_training.cli import load_recipe
from diffir_training.data import open_data
from diffir_training.ipr_statistics import STATISTICS_STEP, measure_iprs
from diffir_training.recipe import Recipe

from diffir_core import load_model, save_model
from diffir_core.models import shipped_models


def main() -> None:
    """Measure, and write the file anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("model", help="the name of a shipped model")
    parser.add_argument("--patches", type=int, default=2048)
    parser.add_argument("--size", type=int, default=96, help="of a patch, in pixels")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.changes)
    model, path = load_model(options.model), shipped_models()[options.model]
    batches = _batches(recipe, options.size, options.patches)
    found = measure_iprs(model.restorer, None, batches, torch.device("cpu"))
    save_model(path, model.restorer, card=model.card, statistics=found, dtype="float16")
    again = load_model(options.model)
    assert again.fingerprint == model.fingerprint
    print(f"{path}: {found.patches} patches, {path.stat().st_size / 1e6:.1f} MB")


def _batches(recipe: Recipe, size: int, patches: int) -> Iterator[Batch]:
    data = open_data(
        recipe.data.images,
        recipe.data.folder,
        recipe.noise,
        channels=recipe.model.out_channels,
        largest_patch=recipe.largest_patch,
        held_back=None,
        seed=recipe.seed,
    )
    return drawn(data.training, STATISTICS_STEP, size, patches)


if __name__ == "__main__":
    main()
