"""Weights that others trained: from a file, checked, into a network."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from diffir_core.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    pickle.UnpicklingError,
    SafetensorError,
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a `.safetensors` or PyTorch file, without its code.

    Raises `InputError` if the file is missing, damaged, or holds anything else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0].rstrip(".") or "it is damaged"
        raise InputError(f"Cannot read the weights file {path}: {reason}.") from error
    if not isinstance(state, dict):
        raise InputError(
            f"{path} holds a {type(state).__name__}, not tensors by name; save the "
            "network's state_dict()."
        )
    return {key: value for key, value in state.items() if torch.is_tensor(value)}


def first_width(state: dict[str, Tensor], key: str, path: str | Path) -> int:
    """Give the output channels of a network's first convolution, named `key`."""
    if key not in state or state[key].ndim != 4:
        raise InputError(_lacking(path, key))
    return len(state[key])


def fill(network: Network, state: dict[str, Tensor], path: str | Path) -> Network:
    """Give `network`, perhaps on the meta device, the tensors of a file; freeze it.

    Tensors of parts that the network does not have are ignored; one inside of a part
    that it has means another network, and is refused, as is the first missing one.
    """
    expected = network.state_dict()
    for key, tensor in expected.items():
        if key not in state:
            raise InputError(_lacking(path, key))
        if state[key].shape != tensor.shape:
            raise InputError(
                f"{path}: '{key}' has shape {tuple(state[key].shape)}, expected "
                f"{tuple(tensor.shape)}; it belongs to another network."
            )
    _refuse_deeper(state, expected, path)
    chosen = {key: state[key].float() for key in expected}
    network.load_state_dict(chosen, assign=True)
    return network.eval().requires_grad_(False)


def _refuse_deeper(
    state: dict[str, Tensor], expected: dict[str, Any], path: str | Path
) -> None:
    parts = {key.partition(".")[0] for key in expected}
    for key in state:
        counter = key.endswith("num_batches_tracked")  # Of no use at inference.
        if key not in expected and key.partition(".")[0] in parts and not counter:
            raise InputError(
                f"{path} has a tensor '{key}' that this network has not; it belongs to "
                "another, perhaps deeper, one."
            )


def _lacking(path: str | Path, key: str) -> str:
    return (
        f"{path} lacks the tensor '{key}'; a state dict in torchvision's layout was "
        "expected."
    )
