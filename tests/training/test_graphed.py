"""A recorded step learns what a step of single kernels does."""

from __future__ import annotations

from pathlib import Path

import accelerate.utils
import pytest
import torch
from diffir_training.devices import Devices
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from safetensors.torch import load_file


@pytest.mark.gpu
def test_a_recorded_step_learns_the_same(recipe: Recipe, tmp_path: Path) -> None:
    """All three stages, each recorded anew; sums run in another order."""
    weights = []
    for graphed in (False, True):
        loop = dict(device="cuda", cuda_graph=graphed)
        run = Trainer(recipe.replace(loop=loop), tmp_path / str(graphed)).run()
        weights.append(load_file(run))
    for name, expected in weights[0].items():
        assert (weights[1][name] - expected).abs().max() < 5e-4, name


def test_gradients_of_several_processes_stay_where_a_recording_writes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accelerate.utils, "reduce", lambda flat, how: 2 * flat)
    parameters = [torch.nn.Parameter(torch.zeros(n)) for n in (2, 3)]
    written = [torch.full((n,), 1.5) for n in (2, 3)]
    for parameter, memory in zip(parameters, written, strict=True):
        parameter.grad = memory
    for _ in range(2):
        Devices(torch.device("cpu"), 0, 2).sum_gradients(parameters)
    for parameter, memory in zip(parameters, written, strict=True):
        assert parameter.grad is memory
        assert memory.tolist() == [6.0] * len(memory)
