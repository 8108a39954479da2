"""A training as text: the command and the script that go on with a run."""

from __future__ import annotations

import shlex
from pathlib import Path

from diffir_core.errors import InputError
from napari_diffir._run_folder import holds_run


def run_command(folder: Path) -> str:
    """Give the command that goes on with a run, here or on another machine."""
    recipe = str(_recipe(folder))
    words = ["diffir", "train", recipe, "--output", str(folder), "--resume"]
    return shlex.join(words)


def run_python(folder: Path) -> str:
    """Give the script that does the same."""
    return (
        "from pathlib import Path\n\n"
        "from diffir_training.recipe import Recipe\n"
        "from diffir_training.trainer import Trainer\n\n"
        f"recipe = Recipe.from_yaml({str(_recipe(folder))!r})\n"
        f"model_file = Trainer(recipe, Path({str(folder)!r}), resume=True).run()\n"
    )


def _recipe(folder: Path) -> Path:
    """Give the recipe of a run, which is written when it starts."""
    if not holds_run(folder):
        raise InputError(f"{folder} holds no run yet; start it, then copy.")
    return folder / "recipe.yaml"
