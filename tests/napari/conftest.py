from __future__ import annotations

from pathlib import Path

import pytest

from diffir_core.config import ModelConfig
from napari_diffir._restore_choice import current_choice


@pytest.fixture(autouse=True)
def restore_choice() -> None:
    """Let no test begin with what another one has chosen in Restore."""
    current_choice.cache_clear()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage-2 model of random weights, fast enough for a test."""
    import torch

    from diffir_core import save_model
    from diffir_core.nn import DiffIRS2

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ModelConfig(
            in_channels=1,
            out_channels=1,
            dim=8,
            num_blocks=(1, 1, 1, 1),
            num_refinement_blocks=1,
            n_encoder_res=0,
            cpen_features=8,
        )
        path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
        save_model(path, DiffIRS2(config))
    return path
