"""Train a rival of DiffIR by a recipe of DiffIR, to compare them in `quality.py`.

    python benchmarks/train_rival.py RECIPE --network {unet,dirformer} --output FILE
        [--steps N] [--set KEY=VALUE ...] [--device auto]

`unet` is a CARE-style U-Net of the same cost, `dirformer` the DIRformer without its
IPR. Both see the patches, the noise, the loss and the schedule of the stages of the
recipe that restore images. `--steps` shortens them in proportion, for a try. The file
is written every 500 steps, so that a run may be killed; it does not go on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from diffir_training.cli import load_recipe
from diffir_training.devices import find_devices
from diffir_training.fused import fuse
from diffir_training.recipe import Recipe, StartConfig
from rivals.costs import cost_of_model, multiply_adds_per_pixel, new_rival
from rivals.files import save_rival
from rivals.networks import Rival
from rivals.training import stretches, train

_REPORT_STEPS, _SAVE_STEPS = 50, 500


def main() -> None:
    """Train and save."""
    options = _options()
    changes = list(options.set)
    if options.device:
        changes.append(f"loop.device={options.device}")
    recipe = load_recipe(options.recipe, changes)
    torch.manual_seed(recipe.seed)  # Initial weights; torch offers no other way.
    network = new_rival(options.network, recipe.model)
    _introduce(recipe, network)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    _train(recipe, network, options.output, options.steps)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--network", choices=("unet", "dirformer"), required=True)
    parser.add_argument("--output", type=Path, required=True, help="*.safetensors")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"))
    return parser.parse_args()


def _introduce(recipe: Recipe, network: Rival) -> None:
    cost = multiply_adds_per_pixel(network, recipe.model.in_channels)
    print(
        f"{network.kind}: {cost:.0f} multiply-adds a pixel, "
        f"DiffIR {cost_of_model(recipe.model):.0f}; {network.config!r}"
    )
    if recipe.start != StartConfig():
        print("The recipe goes on from trained networks; a rival starts from nothing.")


def _train(recipe: Recipe, network: Rival, output: Path, limit: int | None) -> None:
    devices = find_devices(recipe.loop.device)
    fuse(network, compiled=recipe.loop.compile).to(devices.device)
    parts = stretches(recipe, limit)
    total = sum(part.schedule.steps for part in parts)
    started, losses = time.monotonic(), []
    for number, step in enumerate(train(recipe, network, parts, devices), start=1):
        losses.append(step.loss)
        if number % _REPORT_STEPS == 0 or number == total:
            mean, seconds = sum(losses) / len(losses), time.monotonic() - started
            print(
                f"{number}/{total}  loss {mean:.5f}  rate {step.rate:.2e}  "
                f"{seconds:.0f} s",
                flush=True,
            )
            losses.clear()
        if number % _SAVE_STEPS == 0 or number == total:
            save_rival(output, step.average)


if __name__ == "__main__":
    main()
