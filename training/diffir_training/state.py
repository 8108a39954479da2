"""Checkpoints of a run: whole or not there, and nothing but data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from diffir_core._whole_files import whole_file
from diffir_core.errors import InputError, StorageError
from diffir_training.images import Inventory, difference

NAME = "state.pt"
_FREE = ("checkpoint_steps", "log_steps")


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` at once, and not before it is on the disk."""
    try:
        with whole_file(folder / NAME) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"{folder / NAME} could not be saved ({_reason(error)}), and is as it was "
            "before, if it was there; make room for it on the disk, and go on from it "
            "with --resume."
        ) from error


def _reason(error: BaseException) -> str:
    """Say what the disk said: torch ends its archive on top of it, and fails again."""
    cause = error.__context__
    return str(cause if isinstance(cause, OSError) else error).split("\n")[0]


def load_state(folder: Path, recipe: str, images: Inventory) -> dict[str, Any]:
    """Read the checkpoint of a run; `recipe` is the YAML that it must have.

    Raises
    ------
    InputError
        If it is damaged, or was made with another recipe or with other images; the
        first difference is named.
    """
    path = folder / NAME
    state = _read(path)
    may_move = "images" in state
    both = (state["recipe"], recipe)
    before, now = (_binding(text, may_move=may_move) for text in both)
    if before != now:
        raise InputError(
            f"{path} was made with another recipe ({_difference(before, now)}); resume "
            "with that one, or train in another folder."
        )
    # Checkpoints of older versions have none.
    if other := difference(state.get("images", images), images):
        raise InputError(
            f"{path} was made with other images ({other}); put those back, or train in "
            "another folder."
        )
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if {"recipe", "position", "stage1"} <= set(state):
            return state
        reason = "it is no checkpoint of a training"
    except Exception as bad:  # Bytes that are no checkpoint may raise anything.
        reason = str(bad).split("\n")[0].split(". ")[0] or type(bad).__name__
    raise InputError(
        f"{path} cannot be gone on from ({reason.rstrip('.')}); train in another "
        "folder, for example from the stage1.safetensors beside it."
    )


def _binding(recipe: str, *, may_move: bool) -> list[str]:
    """Give the lines but for those that may change, which older versions kept.

    Images that are compared by themselves may lie in another folder.
    """
    values: dict[str, Any] = yaml.safe_load(recipe)
    for name in _FREE:
        values.pop(name, None)
    if may_move:
        del values["data"]["folder"]
    return yaml.safe_dump(values, sort_keys=False).splitlines()


def _difference(before: list[str], now: list[str]) -> str:
    for old, new in zip(before, now, strict=False):
        if old != new:
            return f"there '{old.strip()}', now '{new.strip()}'"
    return "one of them goes on longer"
