"""Average the weights of two models of the same network.

    python tools/average_models.py A B OUTPUT [--share 0.5]

Where one was trained on from the other, for images that the other does not know, their
average keeps most of what either can (Wortsman et al., ICML 2022). Statistics of IPRs
and the card are not averaged: train on for a few steps at a low rate to measure them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from diffir_core import load_model, save_model
from diffir_core.errors import InputError
from diffir_core.model import Model


def main() -> None:
    """Write the average."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs=2, help="Names or files.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="Of the second.")
    options = parser.parse_args()
    first, second = (load_model(name) for name in options.models)
    state = averaged(first, second, options.share)
    second.network.load_state_dict(state)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_model(options.output, second.network)


def averaged(first: Model, second: Model, share: float) -> dict[str, Tensor]:
    """Give the weighted mean of all parameters.

    Raises
    ------
    InputError
        If the networks differ.
    """
    if (first.config, first.stage) != (second.config, second.stage):
        raise InputError(
            f"'{first.name}' and '{second.name}' are different networks; average those "
            "that were trained on from each other."
        )
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    return {
        key: value.lerp(theirs[key], share) if value.is_floating_point() else value
        for key, value in ours.items()
    }


if __name__ == "__main__":
    main()
