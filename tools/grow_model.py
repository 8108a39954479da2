"""Give a trained model more blocks, or an end that enlarges, to be trained on.

    python tools/grow_model.py fluo-denoise recipe.yaml runs/grown/stage2.safetensors

The recipe says the network to grow to: `num_blocks` and `num_refinement_blocks` may be
larger. What the new blocks add to their input is 0 at first, so that the grown model
restores as the old one does (Net2Net; Chen, Goodfellow & Shlens, ICLR 2016).

A model that keeps the size may grow into one of architecture `sr` with `body_grid`
`input` and scale 2: at first it interpolates the restored image, and stage 1 sees the
ground truth binned to the size of the degraded image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffir_training.recipe import Recipe
from einops import repeat
from torch import Tensor

from diffir_core import load_model, save_model
from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS1, DiffIRS2

State = dict[str, Tensor]
_ADVICE = (
    "only num_blocks and num_refinement_blocks may be larger, and a network that keeps "
    "the size may become 'sr' with body_grid 'input', scale 2."
)


def main() -> None:
    """Write the grown model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="Name or file, of either stage.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    network = load_model(options.model).network
    config = Recipe.from_yaml(options.recipe).model
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_model(options.output, grown(network, config))


def grown(network: DiffIRS1 | DiffIRS2, config: ModelConfig) -> DiffIRS1 | DiffIRS2:
    """Give a network of `config` that computes what `network` does.

    Raises
    ------
    InputError
        If `config` differs in more than having more blocks or an end that enlarges.
    """
    _check_grows(network.config, config)
    larger = type(network)(config)
    state, trained = larger.state_dict(), network.state_dict()
    if "G.output.weight" in trained and _doubles(config):
        trained = _enlarging(trained, state, config)
    for key, value in trained.items():
        if key not in state or state[key].shape != value.shape:
            raise InputError(
                f"'{key}' of the model has no place in the recipe's network; {_ADVICE}"
            )
    for key in set(state) - set(trained):
        if ".project_out." in key:
            state[key] = torch.zeros_like(state[key])
    larger.load_state_dict({**state, **trained})
    return larger


def _check_grows(given: ModelConfig, config: ModelConfig) -> None:
    blocks = ("task", "num_blocks", "num_refinement_blocks")
    ends = ("architecture", "body_grid", "scale") if _doubles(config) else ()
    free = {name: getattr(config, name) for name in (*blocks, *ends)}
    if given.model_copy(update=free) != config:
        raise InputError(
            "The recipe's network differs from the model's in more than its size; "
            f"{_ADVICE}"
        )


def _doubles(config: ModelConfig) -> bool:
    return config.body_grid == "input" and config.scale == 2


def _enlarging(trained: State, state: State, config: ModelConfig) -> State:
    """Turn the end of a network, and the eyes of stage 1, into those of a larger image.

    After the pixel shuffle, the first channels are what the old end added, each pixel
    four times; the last layer smooths them to what bilinear interpolation gives.
    """
    new, first, last = dict(trained), "G.tail.0.0", "G.tail.1"
    added = new.pop("G.output.weight")
    for layer in (first, last):
        new[f"{layer}.weight"] = state[f"{layer}.weight"].clone()
        new[f"{layer}.bias"] = torch.zeros_like(state[f"{layer}.bias"])
    repeated = repeat(added, "o i y x -> (o four) i y x", four=4)
    new[f"{first}.weight"][: len(repeated)] = repeated
    new[f"{last}.weight"].zero_()
    line = torch.tensor([0.25, 0.5, 0.25])
    for channel in range(len(added)):
        new[f"{last}.weight"][channel, channel] = torch.outer(line, line)
    if "E.E.0.weight" in new:
        new["E.E.0.weight"] = _binning(new["E.E.0.weight"], config)
    return new


def _binning(weight: Tensor, config: ModelConfig) -> Tensor:
    """Let the first layer of CPEN_S1 see the mean of the pixels of the ground truth."""
    lq, gt = torch.split(
        weight, [config.cpen_lq_channels, weight.shape[1] - config.cpen_lq_channels], 1
    )
    order = "f (c dy dx) y x -> f (c dy by dx bx) y x"
    side, binned = config.cpen_unshuffle, config.scale
    gt = repeat(gt, order, dy=side, dx=side, by=binned, bx=binned) / binned**2
    return torch.cat([lq, gt], 1)


if __name__ == "__main__":
    main()
