"""What of a whole recipe is tried out before its first step, hours before it is needed.

Whatever a later stage reads must be there at the start, the images must give what the
network takes, and nothing may be in the way of what is written.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from diffir_core._whole_files import write_whole
from diffir_core.checkpoint import load_model, save_model
from diffir_core.errors import CheckpointError, InputError
from diffir_core.nn import DiffIRS1
from diffir_training.batches import BatchSource
from diffir_training.building import perceptual_of, trained
from diffir_training.recipe import Recipe
from diffir_training.state import NAME

RECIPE_NAME = "recipe.yaml"
_HEAD = "# Written by the run in this folder; a new one may replace it.\n"
_MODELS = ("stage1.safetensors", "stage2.safetensors", "best.safetensors")
_LOGS = ("log.csv", "validation.csv", "previews")
_TRIED = (1 << 40) + 1
"""A number of batches that no step has, nor validation."""


def check_vacant(folder: Path) -> None:
    """Refuse a folder with anything that a new run would replace or lengthen.

    A run without its checkpoint cannot be gone on from, but its models are there. What
    a run has left that failed before it had any may be replaced.
    """
    if (folder / NAME).exists():
        raise InputError(
            f"{folder} already holds a training run; resume it or choose another "
            "folder."
        )
    others = () if is_of_a_run(folder / RECIPE_NAME) else (*_LOGS, RECIPE_NAME)
    for name in (*_MODELS, *others):
        if (folder / name).exists():
            raise InputError(
                f"{folder / name} is already there, and a new run would write it; "
                "choose another folder, or move it away."
            )


def is_of_a_run(path: Path) -> bool:
    """Tell whether a run has written a recipe into its own folder."""
    if path.name != RECIPE_NAME or not path.is_file():
        return False
    # Older versions wrote no head.
    is_begun = (path.parent / NAME).exists()
    return is_begun or path.read_bytes().startswith(_HEAD.encode())


def begin_folder(recipe: Recipe, folder: Path) -> None:
    """Write the recipe into a vacant folder; logs of a start that failed go."""
    for name in _LOGS[:2]:
        (folder / name).unlink(missing_ok=True)
    write_whole(folder / RECIPE_NAME, (_HEAD + recipe.to_yaml()).encode())


def check_files(recipe: Recipe) -> None:
    """Read what the recipe begins with, and what its adversaries compare by."""
    starts = ((1, recipe.start.stage1), (2, recipe.start.stage2))
    for stage, name in starts:
        if name is not None:
            trained(name, stage, recipe)
    for schedule in recipe.stages:
        if schedule.adversary is not None:
            perceptual_of(schedule.adversary)


def check_saving(network: DiffIRS1, recipe: Recipe, folder: Path) -> None:
    """Write the weights once and read them: what cannot be kept is not begun."""
    with TemporaryDirectory(dir=folder) as inside:
        trial = Path(inside) / "trial.safetensors"
        save_model(trial, network, card=recipe.card)
        try:
            load_model(trial)
        except CheckpointError as error:
            raise InputError(
                "The model of this recipe can be saved, but not be loaded again "
                f"({str(error).rstrip('.')}); mend the recipe's model or card."
            ) from error


def check_noise(recipe: Recipe) -> None:
    """Read what any kind of the noise needs, such as a PSF that is seldom drawn."""
    if recipe.noise is not None:
        recipe.noise.check_files()


def check_shares(recipe: Recipe, processes: int) -> None:
    """Refuse batches of which some process would receive no patch."""
    for i, stage in enumerate(recipe.stages):
        if stage.least_batch < processes:
            raise InputError(
                f"stages.{i} has a batch of {stage.least_batch} for {processes} "
                "processes; each needs a patch: choose a larger batch, or fewer "
                "processes."
            )


def check_patch(recipe: Recipe, data: BatchSource) -> None:
    """Draw one patch, and compare its shapes with those of the network."""
    model, size = recipe.model, recipe.stages[0].patch_sizes[0]
    batch = data.batch(_TRIED, size, [0])
    noisy, clean = (tuple(side.shape[1:]) for side in (batch.noisy, batch.clean))
    side = size // model.scale
    expected = (
        (model.in_channels, side, side),
        (model.out_channels, size, size),
    )
    if (noisy, clean) != expected:
        raise InputError(
            f"The images give noisy patches of {noisy} (channels, y, x) for clean ones "
            f"of {clean}, and the model takes {expected[0]} for {expected[1]}; mend "
            f"{_ways(recipe)}, model.scale or the model's channels."
        )


def _ways(recipe: Recipe) -> str:
    if recipe.noise is not None:
        return "the noise (binning shrinks, a mask is one more channel)"
    return "data.images.scale"
