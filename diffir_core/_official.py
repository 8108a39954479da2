"""Official checkpoints: find the network in its container, infer its configuration."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor

from diffir_core.config import ModelConfig
from diffir_core.errors import CheckpointError, InputError

State = dict[str, Tensor]

_CONTAINERS = ("params_ema", "params", "state_dict")
_PREFIXES = ("module.", "generator.", "module.")
_TWINS = {"diffusion.condition.": "condition.", "diffusion.model.": "denoise."}


def find_network(content: Any, name: str) -> State:
    """Give the state dict of the DiffIR network inside what a file held.

    Knows BasicSR (`params_ema` before `params`), Lightning (`generator.` inside
    `state_dict`, not its twin `generatorS1.`) and flat files. Shared tensors that the
    official code saves twice are checked against each other and kept once.
    """
    if isinstance(content, dict):
        for key in _CONTAINERS:
            if isinstance(content.get(key), dict):
                content = content[key]
                break
    if not isinstance(content, dict):
        raise CheckpointError(f"{name} holds no weights of a DiffIR network.")
    state = _strip_prefixes(
        {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    )
    if "G.patch_embed.proj.weight" not in state:
        raise CheckpointError(
            f"{name} holds no whole DiffIR network (no 'G.patch_embed.proj.weight'); "
            "a stage-1 or stage-2 generator was expected."
        )
    return _without_twins(state, name)


def _strip_prefixes(state: State) -> State:
    for prefix in _PREFIXES:
        if any(key.startswith(prefix) for key in state):
            state = {
                key.removeprefix(prefix): value
                for key, value in state.items()
                if key.startswith(prefix)
            }
    return state


def _without_twins(state: State, name: str) -> State:
    kept, twins = {}, {}
    for key, value in state.items():
        prefix = next((prefix for prefix in _TWINS if key.startswith(prefix)), None)
        if prefix is None:
            kept[key] = value
        else:
            twins[_TWINS[prefix] + key.removeprefix(prefix)] = value
    for key, value in twins.items():
        if key not in kept or not torch.allclose(
            kept[key], value, rtol=0, atol=0, equal_nan=True
        ):
            raise CheckpointError(
                f"{name} is inconsistent: its two copies of '{key}' differ."
            )
    return kept


def stage_of(state: State, name: str) -> int:
    """Tell stage 1 from stage 2 by what extracts the IPR."""
    if any(key.startswith("condition.") for key in state):
        return 2
    if any(key.startswith("E.") for key in state):
        return 1
    raise CheckpointError(
        f"{name} holds a DIRformer without a CPEN; a whole stage-1 or stage-2 network "
        "was expected."
    )


def infer_config(state: State, name: str) -> ModelConfig:
    """Infer the whole configuration from names and shapes of the tensors."""
    try:
        return ModelConfig.parse(
            _ends(state) | _body(state) | _extraction(state) | _diffusion(state)
        )
    except InputError as error:
        raise CheckpointError(f"{name} is no DiffIR network: {error}") from error
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{name} is no DiffIR network this version knows (looking for {error})."
        ) from error


def _ends(state: State) -> dict[str, Any]:
    embedded = state["G.patch_embed.proj.weight"].shape[1]
    if "G.tail.1.weight" in state:
        channels = state["G.tail.1.weight"].shape[0]
        scale = 4 // max(1, math.isqrt(embedded // channels))
        ends = {"architecture": "sr", "scale": scale, "in_channels": channels}
        return ends | {"out_channels": channels, "task": "sr"}
    outputs = state["G.output.weight"].shape[0]
    architecture = "deblur" if embedded == outputs else "inpainting"
    ends = {"architecture": architecture, "in_channels": embedded}
    return ends | {"out_channels": outputs, "task": architecture}


def _body(state: State) -> dict[str, Any]:
    levels = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")
    norms = [key for key in state if ".norm1.body.weight" in key]
    return {
        "dim": state["G.patch_embed.proj.weight"].shape[0],
        "num_blocks": tuple(_count(state, rf"G\.{level}\.(\d+)\.") for level in levels),
        "num_refinement_blocks": _count(state, r"G\.refinement\.(\d+)\."),
        "heads": tuple(_heads(state, level, 2**i) for i, level in enumerate(levels)),
        "ffn_expansion": _ffn_expansion(state),
        "bias": any(key.endswith("attn.qkv.bias") for key in state),
        "layer_norm": (
            "WithBias" if norms[0].replace("weight", "bias") in state else "BiasFree"
        ),
    }


def _extraction(state: State) -> dict[str, Any]:
    prefix = "condition" if "condition.E.0.weight" in state else "E"
    residual = rf"{prefix}\.E\.\d+\.body\.0\.weight$"
    return {
        "cpen_features": state[f"{prefix}.E.0.weight"].shape[0],
        "ipr_length": state[f"{prefix}.mlp.0.weight"].shape[0],
        "n_encoder_res": sum(1 for key in state if re.match(residual, key)),
    }


def _diffusion(state: State) -> dict[str, Any]:
    if "diffusion.betas" not in state:
        return {}
    betas = [float(f"{float(beta):.6g}") for beta in state["diffusion.betas"]]
    layer = r"denoise\.resmlp\.\d+\.resmlp\.0\.weight$"
    found: dict[str, Any] = {
        "timesteps": len(betas),
        "linear_start": betas[0],
        "n_denoise_res": sum(1 for key in state if re.match(layer, key)),
    }
    # With one step the end of the line leaves no trace in the schedule.
    return found | ({"linear_end": betas[-1]} if len(betas) > 1 else {})


def _count(state: State, pattern: str) -> int:
    found = {match[1] for key in state if (match := re.match(pattern, key))}
    return len(found)


def _heads(state: State, level: str, default: int) -> int:
    temperature = state.get(f"G.{level}.0.attn.temperature")
    return default if temperature is None else temperature.shape[0]


def _ffn_expansion(state: State) -> float:
    """Give the shortest decimal whose truncated products are all hidden widths."""
    shapes = {
        tuple(value.shape[:2])
        for key, value in state.items()
        if key.endswith("ffn.project_out.weight")
    }
    width, hidden = max(shapes)
    for digits in range(7):
        for candidate in (hidden / width, (hidden + 0.5) / width):
            factor = round(candidate, digits)
            if all(int(w * factor) == h for w, h in shapes):
                return factor
    raise KeyError("a feed-forward factor that fits every level")
