"""Recipes that cannot train are refused before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from diffir_training.cli import load_recipe
from diffir_training.images import CleanImages, check_some_fit, open_clean

from diffir_core.errors import InputError

FOLDER = Path(__file__).parents[2] / "training" / "recipes"


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_seed_that_cannot_be_drawn_with_is_refused(seed: str) -> None:
    with pytest.raises(InputError, match=rf"Recipe\.seed is {seed}"):
        load_recipe(FOLDER / "fluo-denoise-quick.yaml", [f"seed={seed}"])


@pytest.mark.parametrize(
    ("downscale", "patch", "fits"),
    [
        ((1.0, 2.0), 128, True),
        ((1.0, 2.0), 136, False),
        ((0.5, 2.0), 256, True),  # Enlarged, as it is asked for.
        ((0.5, 2.0), 264, False),
        ((2.0, 3.0), 128, True),  # Shrunk less than asked for, but not enlarged.
        ((2.0, 3.0), 136, False),
    ],
)
def test_a_patch_larger_than_every_clean_image_is_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    downscale: tuple[float, float],
    patch: int,
    fits: bool,
) -> None:
    for name, side in (("large", 128), ("small", 32)):
        image = np.random.default_rng(0).poisson(50, (side, side + 8))
        tifffile.imwrite(tmp_path / f"{name}.tif", image.astype(np.uint16))
    config = CleanImages.parse(
        {"sources": [{"pattern": "*.tif", "downscale": downscale}]}
    )
    images = [image for _, group in open_clean(config, tmp_path) for image in group]
    if fits:
        check_some_fit(images, patch)
        assert "1 of 2 images are smaller" in caplog.text
        return
    with pytest.raises(InputError, match=rf"{patch} x {patch}.*128 x 136"):
        check_some_fit(images, patch)
