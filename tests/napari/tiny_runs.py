"""Runs so small that a test can train them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from diffir_training.recipe import Recipe
from numpy.typing import NDArray

from napari_diffir._layer_files import LayerImage
from napari_diffir._training_images import CleanImages, TrainingImages

TINY = dict(
    in_channels=1,
    out_channels=1,
    dim=8,
    num_blocks=(1, 1, 1, 1),
    num_refinement_blocks=1,
    n_encoder_res=0,
    cpen_features=8,
)


def blobs(planes: int = 4, size: int = 72) -> NDArray[np.uint16]:
    """A stack of smooth structures."""
    z, y, x = np.mgrid[:planes, :size, :size]
    return (1000 + 800 * np.sin(y / (4 + z)) * np.cos(x / 5)).astype(np.uint16)


def noisy(clean: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The same under a camera's noise."""
    noise = np.random.default_rng(0).normal(0, 120, clean.shape)
    return (clean + noise).clip(0).astype(np.uint16)


def tiny_recipe(
    run: Path,
    steps: tuple[int, int, int] = (6, 4, 12),
    images: TrainingImages | None = None,
) -> Recipe:
    """What a preset does, at the size of a test."""
    images = images or CleanImages(LayerImage(blobs(), "ZYX"))
    kinds = ("ground_truth", "estimation", "joint")
    sections = images.prepare(run)
    validation = dict(steps=4, patches=2, patch_size=32)
    sections["validation"] = validation | sections.get("validation", {})
    return Recipe.parse(
        dict(
            name="tiny",
            model=TINY,
            stages=[
                dict(kind=kind, steps=count, patch_size=32, batch=2)
                for kind, count in zip(kinds, steps, strict=True)
            ],
            log_steps=2,
            checkpoint_steps=1000,
            statistics_patches=8,
            **sections,
        )
    )


def saved(recipe: Recipe, path: Path) -> Path:
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    return path


def outcome(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def saved_step(run: Path) -> int:
    import torch

    step: int = torch.load(run / "state.pt", weights_only=True)["step"]
    return step
