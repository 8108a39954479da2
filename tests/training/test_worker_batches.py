"""Processes prepare the same batches as a thread, and end when they are to."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer
from diffir_training.worker_batches import prepared_ahead

from diffir_core.checkpoint import load_model
from diffir_core.errors import InputError


def _numbered(number: int) -> int:
    if number == 7:
        raise InputError("Image 7 is gone.")
    return number


def test_batches_come_in_order_and_errors_in_their_place() -> None:
    ahead = prepared_ahead(_numbered, first=4, workers=2)
    assert [next(ahead) for _ in range(3)] == [4, 5, 6]
    with pytest.raises(InputError, match=r"^Image 7 is gone\.$"):
        next(ahead)
    ahead.close()
    assert multiprocessing.active_children() == []


def test_a_run_with_workers_learns_the_same_to_the_bit(tmp_path: Path) -> None:
    alone, helped = (
        load_model(Trainer(_recipe(workers), tmp_path / str(workers)).run())
        for workers in (0, 1)
    )
    for name, value in alone.network.state_dict().items():
        assert torch.equal(value, helped.network.state_dict()[name]), name
    assert multiprocessing.active_children() == []


def _recipe(workers: int) -> Recipe:
    stage = {"steps": 2, "patch_size": 32, "batch": 2}
    return Recipe.parse(
        {
            "name": "helped",
            "model": {
                "in_channels": 1,
                "out_channels": 1,
                "dim": 8,
                "num_blocks": [1, 1, 1, 1],
                "n_encoder_res": 1,
            },
            "data": {
                "folder": ".",
                "images": {
                    "kind": "clean",
                    "sources": [{"structure": "puncta", "images": 2, "size": 96}],
                },
            },
            "noise": {"kind": "camera"},
            "stages": [{"kind": "ground_truth", **stage}, {"kind": "joint", **stage}],
            "loop": {"workers": workers, "device": "cpu"},
        }
    )
