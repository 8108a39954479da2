"""Weights files, ours (safetensors) and the official ones: data, never code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from diffir_core._official import State, find_network, infer_config, stage_of
from diffir_core._shared_weights import WEIGHTS, weights_beside
from diffir_core._tensor_files import write_tensors
from diffir_core._unpickling import read_pickled
from diffir_core._version import package_version
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_core.errors import CheckpointError
from diffir_core.ipr_statistics import IPRStatistics
from diffir_core.model import Model, fingerprint
from diffir_core.models import shipped_models
from diffir_core.nn import DiffIRS1, DiffIRS2

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMAT = "diffir/1"


def load_model(source: str | Path) -> Model:
    """Load a model by its shipped name or from a file.

    Files are recognised by their contents: our safetensors, and every official
    container (`.pth`, `.ckpt`), whose configuration is inferred from the tensors.

    Raises
    ------
    CheckpointError
        If there is no such model, or the file is damaged, unsafe or not a DiffIR.
    """
    shipped = shipped_models()
    if str(source) in shipped:
        model = _load_file(shipped[str(source)], str(source))
        return replace(model, source=str(source))
    path = Path(source)
    if not path.is_file():
        raise CheckpointError(
            f"No model '{source}': it is neither a file nor one of the shipped models "
            f"({', '.join(shipped) or 'none'})."
        )
    return replace(_load_file(path, path.stem), source=str(path.resolve()))


def _load_file(path: Path, name: str) -> Model:
    with path.open("rb") as file:
        start = file.read(9)
    # Safetensors begin with 8 bytes of length, which can look like a pickle, and "{".
    if start[:1] in (b"P", b"\x80") and start[8:] != b"{":
        state = find_network(read_pickled(path), path.name)
        return _build(state, infer_config(state, path.name), None, name, path.name)
    return _load_safetensors(path, name)


def _load_safetensors(path: Path, name: str) -> Model:
    metadata, state = _read(path)
    if weights := metadata.get(WEIGHTS):
        _, state = _read(weights_beside(path, weights))
    if not metadata.get("format", "").startswith("diffir/"):
        state = find_network(state, path.name)
        return _build(state, infer_config(state, path.name), None, name, path.name)
    if metadata["format"] != _FORMAT:
        raise CheckpointError(
            f"{path.name} has format '{metadata['format']}', this version reads "
            f"'{_FORMAT}'; update napari-diffir."
        )
    try:
        config = ModelConfig.model_validate_json(metadata.get("config", ""))
        text = metadata.get("card")
        card = ModelCard.model_validate_json(text) if text else None
    except ValidationError as error:
        raise CheckpointError(
            f"{path.name} describes its network in a way this version does not know; "
            "update napari-diffir, or fetch the file again."
        ) from error
    statistics = IPRStatistics.taken_from(state, config.ipr_length)
    model = replace(_build(state, config, card, name, path.name), statistics=statistics)
    if model.fingerprint != metadata.get("fingerprint"):
        raise CheckpointError(
            f"{path.name} is damaged: its weights do not have the fingerprint it "
            "states; fetch it again."
        )
    return model


def _read(path: Path) -> tuple[dict[str, str], State]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata, {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path.name} is damaged or not a weights file ({error}); fetch it again."
        ) from error


def _build(
    state: State, config: ModelConfig, card: ModelCard | None, name: str, file: str
) -> Model:
    kind = DiffIRS2 if stage_of(state, file) == 2 else DiffIRS1
    state = {key: value.float() for key, value in state.items()}
    with torch.device("meta"):
        network = kind(config)
    _check_keys(state, network.state_dict(), file)
    _check_finite(state, file)
    network.load_state_dict(state, strict=True, assign=True)
    network.eval()
    return Model(network, config, card, fingerprint(state), name)


def _check_keys(state: State, expected: Mapping[str, Any], file: str) -> None:
    for key, tensor in expected.items():
        if key not in state:
            raise CheckpointError(f"{file} lacks the tensor '{key}'; it is not whole.")
        if state[key].shape != tensor.shape:
            raise CheckpointError(
                f"{file}: '{key}' has shape {tuple(state[key].shape)}, expected "
                f"{tuple(tensor.shape)}."
            )
    if extra := sorted(set(state) - set(expected)):
        raise CheckpointError(
            f"{file} has {len(extra)} tensors that no DiffIR has, such as '{extra[0]}'."
        )


def _check_finite(state: State, what: str) -> None:
    for key, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{what}: '{key}' has values that are not finite; the training went "
                "astray, or the weights are damaged or too large for their type."
            )


def save_model(
    path: str | Path,
    network: DiffIRS1 | DiffIRS2,
    *,
    card: ModelCard | None = None,
    statistics: IPRStatistics | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write a network as safetensors, with its configuration, card and fingerprint.

    With float16 the parameters are rounded to half the size; the schedule is not. The
    file is complete or absent, never half-written.
    """
    path = Path(path)
    if not isinstance(network, DiffIRS1 | DiffIRS2):
        raise CheckpointError(
            f"A {type(network).__name__} is no network to save; give that of a model, "
            "model.network."
        )
    if dtype not in ("float32", "float16"):
        raise CheckpointError(f"dtype is '{dtype}'; choose float32 or float16.")
    if not path.parent.is_dir():
        raise CheckpointError(f"There is no folder {path.parent}; create it first.")
    half = dtype == "float16"
    state = {
        key: value.half() if half and not key.startswith("diffusion.") else value
        for key, value in network.state_dict().items()
    }
    state = {key: value.cpu().contiguous().clone() for key, value in state.items()}
    _check_finite(state, f"{path.name}, as {dtype}")
    metadata = {
        "format": _FORMAT,
        "diffir_version": package_version(),
        "stage": str(network.stage),
        "config": network.config.model_dump_json(),
        "card": card.model_dump_json() if card else "",
        "fingerprint": fingerprint(state),
    }
    if statistics is not None:
        state |= statistics.state()
    write_tensors(path, state, metadata)


def convert(official: str | Path, destination: str | Path) -> Model:
    """Turn an official file into ours; give the model it holds."""
    model = load_model(official)
    save_model(destination, model.network, card=model.card, statistics=model.statistics)
    return model
