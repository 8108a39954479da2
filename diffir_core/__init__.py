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
    from diffir_core.engine.frozen import FrozenState
    from diffir_core.ipr import IPR, blend
    from diffir_core.model import Model
    from diffir_core.options import RestoreOptions
    from diffir_core.report import RestoreReport
    from diffir_core.stacks.freezing import freeze, render
    from diffir_core.stacks.restoring import extract_ipr, restore, restore_file

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
    "extract_ipr": "stacks.restoring",
    "freeze": "stacks.freezing",
    "load_model": "checkpoint",
    "render": "stacks.freezing",
    "restore": "stacks.restoring",
    "restore_file": "stacks.restoring",
    "save_model": "checkpoint",
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
    "extract_ipr",
    "freeze",
    "load_model",
    "render",
    "restore",
    "restore_file",
    "save_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'diffir_core' has no attribute '{name}'")
    return getattr(import_module(f"diffir_core.{_HOMES[name]}"), name)
