"""Models that differ in their cards alone: a file may name another for its weights.

Such a file has metadata and no tensors. It is as large as its card, and loads what lies
beside it.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from diffir_core._tensor_files import write_tensors
from diffir_core.card import ModelCard
from diffir_core.errors import CheckpointError, InputError

WEIGHTS = "weights"
"""The metadata's key: the name, without its ending, of a file in the same folder."""


def write_card(path: Path, weights: Path, card: ModelCard) -> None:
    """Write a model that has the weights of a file in the same folder."""
    if path.resolve() == weights.resolve():
        raise InputError(
            f"{path.name} is the file of the weights itself; give the card a name of "
            "its own."
        )
    with safe_open(weights, "pt") as file:
        metadata = dict(file.metadata())
    metadata |= {"card": card.model_dump_json(), WEIGHTS: weights.stem}
    write_tensors(path, {}, metadata)


def weights_beside(path: Path, name: str) -> Path:
    """Give the file that has the weights of `path`; `name` is what that states.

    Raises
    ------
    CheckpointError
        If there is none, or it would be elsewhere.
    """
    weights = path.with_name(f"{name}.safetensors")
    if Path(name).name != name or not weights.is_file():
        raise CheckpointError(
            f"{path.name} holds a card alone, for the weights of '{name}'; put "
            f"{Path(name).name}.safetensors beside it."
        )
    return weights
