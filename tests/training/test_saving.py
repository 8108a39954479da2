"""What hours have computed can be saved: it is tried before the first step."""

from __future__ import annotations

import errno
import math
import os
import signal
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffir_training.recipe import Recipe
from diffir_training.state import save_state
from diffir_training.trainer import Trainer

import diffir_core
from diffir_core import checkpoint
from diffir_core.card import ModelCard
from diffir_core.errors import InputError, StorageError


def test_a_run_that_cannot_be_saved_does_not_begin(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write_tensors", full)
        with pytest.raises(OSError, match="No space left"):
            Trainer(recipe, tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    Trainer(recipe, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["recipe.yaml"]


@pytest.mark.skipif(os.name == "nt", reason="needs limits of the size of files")
@pytest.mark.parametrize("share", [0.01, 0.9, 0.999])
def test_a_checkpoint_that_the_disk_does_not_take_is_told_and_the_last_one_stays(
    tmp_path: Path, share: float
) -> None:
    import resource

    save_state(tmp_path, {"step": 1, "weights": torch.zeros(100_000)})
    before = (tmp_path / "state.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * len(before)), limits[1]))
    try:
        with pytest.raises(StorageError, match=r"state.pt could not be .*Errno.*room"):
            save_state(tmp_path, {"step": 2, "weights": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == before


def test_a_run_whose_models_could_not_be_loaded_does_not_begin(
    recipe: Recipe, tmp_path: Path
) -> None:
    card = ModelCard.model_construct(figures={"psnr": math.inf})  # JSON has no such.
    with pytest.raises(InputError, match=r"not be loaded again .*mend the recipe"):
        Trainer(recipe.model_copy(update={"card": card}), tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_source_folder_on_the_path_trains_and_restores(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster runs a copy of the source that no installer knows."""
    discover = Distribution.discover

    def without_us(*, name: str) -> Any:
        return iter(()) if name == "napari-diffir" else discover(name=name)

    monkeypatch.setattr(Distribution, "discover", without_us)
    run = Trainer(recipe, tmp_path / "run").run()
    model = diffir_core.load_model(run)
    image = np.random.default_rng(0).poisson(60, (40, 40)).astype(np.float32)
    _, report = diffir_core.restore(image, model, axes="YX", return_report=True)
    assert report.versions["napari-diffir"] == "not installed"
