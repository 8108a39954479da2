"""Small networks of random weights for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from diffir_core import save_model
from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS1, DiffIRS2

TINY: dict[str, Any] = dict(
    in_channels=1,
    out_channels=1,
    dim=8,
    num_blocks=(1, 1, 1, 1),
    num_refinement_blocks=1,
    n_encoder_res=1,
    cpen_features=8,
)


def random_network(stage: int = 2, seed: int = 0, **changes: Any) -> Any:
    """A small network of random weights, large enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kind = DiffIRS2 if stage == 2 else DiffIRS1
        network = kind(ModelConfig.parse(TINY | changes)).eval()
        for parameter in network.parameters():
            parameter.data.mul_(1.5)
    return network


def save_tiny(folder: Path, name: str, stage: int = 2, **changes: Any) -> Path:
    path = folder / f"{name}.safetensors"
    save_model(path, random_network(stage, **changes))
    return path
