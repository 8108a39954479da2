"""Files of rivals: safetensors that say what they hold; data, never code."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from diffir_core._tensor_files import write_tensors
from diffir_core.config import ModelConfig
from diffir_core.errors import CheckpointError
from rivals.networks import PlainDIRformer, Rival, UNet, UNetConfig

_FORMAT = "diffir-rival/1"


def save_rival(path: Path, network: Rival) -> None:
    """Write weights and configuration; the file is complete or absent."""
    state = {
        # Memory in the order of the axes: training keeps the channels last.
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in network.state_dict().items()
    }
    metadata = {
        "format": _FORMAT,
        "kind": network.kind,
        "config": network.config.model_dump_json(),
    }
    write_tensors(path, state, metadata)


def load_rival(path: Path) -> Rival:
    """Read a rival, ready to restore on the CPU."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path.name} is not a rival; train one with benchmarks/train_rival.py."
        )
    network = _built(metadata["kind"], metadata["config"])
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _built(kind: str, config: str) -> Rival:
    if kind == UNet.kind:
        return UNet(UNetConfig.model_validate_json(config))
    return PlainDIRformer(ModelConfig.model_validate_json(config))
