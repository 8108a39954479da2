"""Several processes, and several pieces, learn what one does from the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffir_training.devices import find_devices
from diffir_training.microbatch import MicroBatches
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from safetensors.torch import load_file
from torch import Tensor, nn

from diffir_core.errors import InputError


def test_a_process_may_go_from_the_cpu_to_a_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_devices("cpu").device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_devices("cuda").device.type == "cuda"
    assert find_devices("auto").device.type == "cuda"
    assert find_devices("cpu").device.type == "cpu"


def test_two_processes_learn_what_one_does(recipe: Recipe, tmp_path: Path) -> None:
    """Half of the batch each, all three stages, parts of networks included."""
    recipe = recipe.replace(loop=dict(device="cpu"))
    alone = load_file(Trainer(recipe, tmp_path / "alone").run())
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--master-port", "0", "--rdzv-backend", "c10d"),
        *("--rdzv-endpoint", "localhost:0", "-m", "diffir_core", "train"),
        *(str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "two")),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    together = load_file(tmp_path / "two" / "stage2.safetensors")
    assert together.keys() == alone.keys()
    for name, expected in alone.items():
        # Sums in another order; Adam divides, which makes much of small gradients.
        assert (together[name] - expected).abs().max() < 2e-4, name


def test_pieces_have_the_gradient_of_the_whole(recipe: Recipe, tmp_path: Path) -> None:
    weights = []
    for name, pieces in (("whole", None), ("pieces", 1)):
        changed = recipe.replace(loop=dict(device="cpu", micro_batch=pieces))
        weights.append(load_file(Trainer(changed, tmp_path / name).run()))
    for name, expected in weights[0].items():
        assert (weights[1][name] - expected).abs().max() < 2e-4, name


def test_running_out_of_memory_halves_the_pieces_and_changes_nothing() -> None:
    layer = nn.Linear(3, 1)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

    def losses(items: list[int]) -> list[Tensor]:
        if len(items) > 2:
            raise torch.OutOfMemoryError("no memory left")
        return [layer(x[items]).square().mean()]

    micro = MicroBatches()
    (loss,) = micro.accumulate(range(6), 6, losses, layer.zero_grad)
    assert micro.largest == 2
    whole = layer(x).square().mean()
    assert loss == pytest.approx(float(whole.detach()))
    (expected,) = torch.autograd.grad(whole, [layer.weight])
    torch.testing.assert_close(layer.weight.grad, expected)

    def never(items: list[int]) -> list[Tensor]:
        raise torch.OutOfMemoryError("no memory left")

    with pytest.raises(InputError, match="no memory for a single patch"):
        micro.accumulate(range(6), 6, never, layer.zero_grad)
