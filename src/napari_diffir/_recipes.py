"""The recipe of a run: from a preset, from a file, or the one it was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_diffir._presets import (
    GENTLER,
    NETWORKS,
    PRESETS,
    Network,
    Preset,
    Sections,
)
from napari_diffir._training_images import TrainingImages

if TYPE_CHECKING:
    from diffir_training.recipe import Recipe

DeviceName = Literal["auto", "cpu", "cuda"]


def preset_recipe(
    run: Path,
    *,
    preset: str,
    network: str,
    images: TrainingImages,
    device: DeviceName = "auto",
) -> Recipe:
    """Prepare the images of a run, and give its recipe: one channel, denoising."""
    from diffir_training.recipe import Recipe

    plan, sections = PRESETS[preset], images.prepare(run)
    sections["validation"] = plan.validation | sections.get("validation", {})
    return Recipe.parse(
        dict(
            name=run.name,
            log_steps=plan.log_steps,
            checkpoint_steps=plan.checkpoint_steps,
            loop=dict(device=device),
            **_beginning(NETWORKS[network], plan, _card(run.name, images.degradation)),
            **sections,
        )
    )


def _beginning(network: Network, plan: Preset, card: Sections) -> Sections:
    """Give the network, what it begins with, its stages and its card."""
    if network.trained is None:
        model = dict(task="denoise", in_channels=1, out_channels=1) | network.config
        return dict(model=model, stages=plan.stages, card=card)
    from diffir_core.checkpoint import load_model

    trained = load_model(network.trained)
    before = trained.card.model_dump() if trained.card else {}
    unknown: Sections = dict(
        licence="", intended_use="", figures={}, frozen_halo_px=None
    )
    data = *before.get("training_data", ()), "Then images of its user's own, in napari"
    return dict(
        model=trained.config.model_dump(),
        start=dict(stage2=network.trained),
        stages=[stage | _gentler(stage) for stage in plan.stages],
        card=before | card | unknown | dict(training_data=data),
    )


def _gentler(stage: Sections) -> Sections:
    rates = ("learning_rate", "final_learning_rate")
    return {key: GENTLER * stage[key] for key in rates}


def _card(name: str, degradation: str) -> Sections:
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
