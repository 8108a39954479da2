from __future__ import annotations

from pathlib import Path

import pytest
from networks import random_network, save_tiny

from diffir_core import load_model, save_model
from diffir_core.model import Model


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models"), "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_file: Path) -> Model:
    return load_model(tiny_file)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose residual is zero: it restores every image to itself."""
    network = random_network()
    network.G.output.weight.data.zero_()
    path = tmp_path_factory.mktemp("models") / "identity.safetensors"
    save_model(path, network)
    return load_model(path)
