"""Give a trained model more blocks, which do nothing until they are trained on.

    python tools/grow_model.py fluo-denoise recipe.yaml runs/grown/stage2.safetensors

The recipe says the network to grow to: `num_blocks` and `num_refinement_blocks` may be
larger. What the new blocks add to their input is 0 at first, so that the grown model
restores as the old one does (Net2Net; Chen, Goodfellow & Shlens, ICLR 2016).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffir_training.recipe import Recipe

from diffir_core import load_model, save_model
from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS1, DiffIRS2


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
        If `config` differs in more than having more blocks.
    """
    larger = type(network)(config)
    state, trained = larger.state_dict(), network.state_dict()
    for key, value in trained.items():
        if key not in state or state[key].shape != value.shape:
            raise InputError(
                f"'{key}' of the model has no place in the recipe's network; only "
                "num_blocks and num_refinement_blocks may be larger."
            )
    for key in set(state) - set(trained):
        if key.endswith("project_out.weight"):
            state[key] = torch.zeros_like(state[key])
    larger.load_state_dict({**state, **trained})
    return larger


if __name__ == "__main__":
    main()
