"""The fixtures of the official code, and our networks loaded from its files."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from diffir_core import load_model
from diffir_core.nn import DiffIRS1, DiffIRS2

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "goldens"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    case: str
    quantity: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True, slots=True)
class Case:
    """Goldens of one network, and our networks loaded from its official files."""

    name: str
    folder: Path
    stage1: DiffIRS1
    stage2: DiffIRS2

    def arrays(self, file: str) -> dict[str, Tensor]:
        """Read `eval.npz` or `train.npz`."""
        with np.load(self.folder / file) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    @property
    def inpainting(self) -> bool:
        """Whether the network fills masked regions."""
        return self.stage1.config.architecture == "inpainting"


def case_folders(folder: Path = FOLDER) -> list[Path]:
    """List the folders of the cases."""
    return sorted(path.parent for path in folder.glob("*/manifest.json"))


def load_case(folder: Path) -> Case:
    """Rebuild the official checkpoint files of a case, and load them."""
    recipe = _recipe(folder.parent)
    with tempfile.TemporaryDirectory() as temporary:
        files = recipe.materialize(folder, temporary)
        models = [
            load_model(path).network
            for name, path in files.items()
            if "flat" not in name
        ]
    stage1, stage2 = sorted(models, key=lambda network: network.stage)
    return Case(folder.name, folder, stage1, stage2)


def _recipe(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", folder / "recipe.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module
