"""The recipe of a run: from a preset, from a file, or the one it was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_diffir._presets import MODEL_SIZES, PRESETS
from napari_diffir._training_images import TrainingImages

if TYPE_CHECKING:
    from diffir_training.recipe import Recipe

DeviceName = Literal["auto", "cpu", "cuda"]


def preset_recipe(
    run: Path,
    *,
    preset: str,
    size: str,
    images: TrainingImages,
    device: DeviceName = "auto",
) -> Recipe:
    """Prepare the images of a run, and give its recipe: one channel, denoising."""
    from diffir_training.recipe import Recipe

    plan, sections = PRESETS[preset], images.prepare(run)
    sections["validation"] = plan.validation | sections.get("validation", {})
    model = dict(task="denoise", in_channels=1, out_channels=1)
    return Recipe.parse(
        dict(
            name=run.name,
            model=model | MODEL_SIZES[size].config,
            stages=plan.stages,
            log_steps=plan.log_steps,
            checkpoint_steps=plan.checkpoint_steps,
            card=_card(run.name, images.degradation),
            loop=dict(device=device),
            **sections,
        )
    )


def _card(name: str, degradation: str) -> dict[str, Any]:
    return dict(
        name=name,
        description="Denoising of one channel, trained in napari",
        task="denoise",
        degradation=degradation,
        limitations="Trained on a few images; compare its results with the raw data.",
    )


def file_recipe(run: Path, *, path: Path) -> Recipe:
    """Read a recipe; a relative data folder may be relative to the recipe's own."""
    from diffir_training.recipe import Recipe

    recipe = Recipe.from_yaml(path)
    folder = recipe.data.folder
    if (path.parent / folder).is_dir():
        folder = path.parent / folder
    return recipe.replace(data=recipe.data.replace(folder=folder.resolve()))


def saved_recipe(run: Path, *, device: DeviceName | None = None) -> Recipe:
    """Read the recipe that a run was begun with; it may go on with another device."""
    from diffir_training.recipe import Recipe

    recipe = Recipe.from_yaml(run / "recipe.yaml")
    if device is None:
        return recipe
    return recipe.replace(loop=recipe.loop.replace(device=device))
