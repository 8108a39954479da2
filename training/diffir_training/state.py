"""Checkpoints of a run: whole or not there, and nothing but data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from diffir_core.errors import InputError

NAME = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` at once, and not before it is on the disk."""
    temporary = folder / f"{NAME}.part"
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / NAME)


def load_state(folder: Path, recipe: str) -> dict[str, Any]:
    """Read the checkpoint of a run; `recipe` is the YAML that it must have.

    Raises
    ------
    InputError
        If it was made with another recipe; the first difference is named.
    """
    path = folder / NAME
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != recipe:
        difference = _difference(state["recipe"], recipe)
        raise InputError(
            f"{path} was made with another recipe ({difference}); resume with that "
            "one, or train in another folder."
        )
    return state


def _difference(before: str, now: str) -> str:
    lines = zip(before.splitlines(), now.splitlines(), strict=False)
    for old, new in lines:
        if old != new:
            return f"there '{old.strip()}', now '{new.strip()}'"
    return "one of them goes on longer"
