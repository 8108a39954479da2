"""DiffIR image restoration: networks, checkpoints, and exact inference at any size.

Names are imported on first use, so that importing the package stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffir_core.card import ModelCard
    from diffir_core.checkpoint import convert, load_model, save_model
    from diffir_core.config import PRESETS, ModelConfig
    from diffir_core.downloading import download_model
    from diffir_core.engine.frozen import FrozenState
    from diffir_core.ipr import IPR, blend
    from diffir_core.ipr_steering import ipr_distance, steer
    from diffir_core.model import Model
    from diffir_core.options import RestoreOptions
    from diffir_core.report import RestoreReport
    from diffir_core.stacks.extracting import extract_ipr, extract_iprs
    from diffir_core.stacks.freezing import freeze
    from diffir_core.stacks.referencing import reference_ipr
    from diffir_core.stacks.rendering import render
    from diffir_core.stacks.restoring import restore, restore_file
    from diffir_core.stacks.sampling import restore_samples

__version__ = "0.1.0"

_HOMES = {
    "PRESETS": "config",
    "FrozenState": "engine.frozen",
    "IPR": "ipr",
    "Model": "model",
    "ModelCard": "card",
    "ModelConfig": "config",
    "RestoreOptions": "options",
    "RestoreReport": "report",
    "blend": "ipr",
    "convert": "checkpoint",
    "download_model": "downloading",
    "extract_ipr": "stacks.extracting",
    "extract_iprs": "stacks.extracting",
    "freeze": "stacks.freezing",
    "ipr_distance": "ipr_steering",
    "load_model": "checkpoint",
    "reference_ipr": "stacks.referencing",
    "render": "stacks.rendering",
    "restore": "stacks.restoring",
    "restore_file": "stacks.restoring",
    "restore_samples": "stacks.sampling",
    "save_model": "checkpoint",
    "steer": "ipr_steering",
}

__all__ = [
    "IPR",
    "PRESETS",
    "FrozenState",
    "Model",
    "ModelCard",
    "ModelConfig",
    "RestoreOptions",
    "RestoreReport",
    "blend",
    "convert",
    "download_model",
    "extract_ipr",
    "extract_iprs",
    "freeze",
    "ipr_distance",
    "load_model",
    "reference_ipr",
    "render",
    "restore",
    "restore_file",
    "restore_samples",
    "save_model",
    "steer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'diffir_core' has no attribute '{name}'")
    return getattr(import_module(f"diffir_core.{_HOMES[name]}"), name)
