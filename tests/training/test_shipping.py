"""What `tools/ship_model.py` does to weights."""

from __future__ import annotations

import zlib
from pathlib import Path

import torch
from networks import random_network
from ship_model import rounded

from diffir_core import save_model


def test_coarser_weights_are_near_and_pack_better(tmp_path: Path) -> None:
    network = random_network()
    coarse = rounded(network, 6)
    for name, before in network.named_parameters():
        after = coarse.get_parameter(name)
        assert torch.all((after - before).abs() <= before.abs() / 2**6)
    packed = []
    for name, one in (("fine", network), ("coarse", coarse)):
        save_model(tmp_path / name, one, dtype="float16")
        packed.append(len(zlib.compress((tmp_path / name).read_bytes())))
    assert packed[1] < 0.8 * packed[0]
