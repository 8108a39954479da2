from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from diffir_training.recipe import Recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of seconds: a tiny network, three short stages, two clean images."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        y, x = np.mgrid[:96, :80]
        blobs = np.sin(y / generator.uniform(3, 9)) * np.cos(
            x / generator.uniform(3, 9)
        )
        image = (1000 + 800 * blobs).astype(np.uint16)
        tifffile.imwrite(folder / f"clean{i}.tif", image)
    return Recipe.parse(
        dict(
            name="tiny",
            model=dict(
                in_channels=1,
                out_channels=1,
                dim=8,
                num_blocks=(1, 1, 1, 1),
                num_refinement_blocks=1,
                n_encoder_res=0,
                cpen_features=8,
            ),
            data=dict(
                folder=folder,
                images=dict(kind="clean", sources=[dict(pattern="*.tif")]),
            ),
            noise=dict(kind="camera"),
            stages=[
                dict(kind="ground_truth", steps=6, patch_size=32, batch=2),
                dict(kind="estimation", steps=4, patch_size=32, batch=2),
                dict(kind="joint", steps=6, patch_size=32, batch=2),
            ],
            statistics_patches=16,
            checkpoint_steps=3,
            log_steps=2,
        )
    )
