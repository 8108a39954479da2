"""The average of two models lies between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from average_models import averaged
from networks import random_network, save_tiny

from diffir_core import load_model, save_model
from diffir_core.errors import InputError


def test_every_weight_is_averaged(tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_model(tmp_path / f"{name}.safetensors", random_network())
    first, second = (
        load_model(tmp_path / f"{name}.safetensors") for name in ("first", "second")
    )
    for parameter in second.network.parameters():
        parameter.data += 1.0
    state = averaged(first, second, 0.25)
    for key, parameter in first.network.named_parameters():
        assert (state[key] - parameter - 0.25).abs().max() < 1e-5


def test_different_networks_are_refused(tmp_path: Path) -> None:
    first, second = (
        load_model(save_tiny(tmp_path, f"stage{n}", stage=n)) for n in (1, 2)
    )
    with pytest.raises(InputError, match="different networks"):
        averaged(first, second, 0.5)
