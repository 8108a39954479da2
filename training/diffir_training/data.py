"""What a run trains on and what it validates on: images, opened and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffir_core.errors import AxesNotSaidError, InputError
from diffir_training.batches import BatchSource
from diffir_training.degradations import Degradation
from diffir_training.images import (
    CleanImages,
    ForegroundSampler,
    Groups,
    HeldBack,
    Inventory,
    TrainingImages,
    check_agreement,
    check_channels,
    check_fits,
    check_measured,
    check_some_fit,
    check_some_structure,
    inventory_of,
    open_clean,
    open_pairs,
    split_groups,
)
from diffir_training.patches import CleanPatches, PairPatches

_PATCH_STEP = 32
"""Held-back patches are a multiple of this, where an image has room for it."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Batches to train on, and others of images that training never sees."""

    training: BatchSource
    held_back: BatchSource | None
    largest_held_back: int
    """Patch size in pixels of the clean image: the smallest held-back one has room."""
    inventory: Inventory
    """What images there are on which side, for a run that goes on later."""


def open_data(
    images: TrainingImages,
    folder: Path,
    noise: Degradation | None,
    *,
    channels: int,
    largest_patch: int,
    held_back: HeldBack | None,
    seed: int,
    patch_multiple: int = 8,
) -> TrainingData:
    """Open images and check them, before hours are spent.

    Parameters
    ----------
    images, folder
        What to learn from, below which folder.
    noise
        What spoils clean images; None for pairs.
    channels
        Of the clean images.
    largest_patch
        The largest patch of training, in pixels of the clean image. Pairs to train on
        must be larger; a clean image that is smaller is enlarged.
    held_back
        Which images are kept for validation; None is no validation.
    seed
        Of all that is drawn.
    patch_multiple
        What the network takes patches of, in pixels of the clean image.
    """
    groups = _opened(images, folder)
    everything = _all(groups)
    check_channels(everything, channels)
    check_some_structure(everything)
    seen, kept = split_groups(groups, held_back, seed) if held_back else (groups, [])
    if isinstance(images, CleanImages):
        check_some_fit(_all(seen), largest_patch)
    else:
        check_fits(_all(seen), largest_patch, everything[0].scale)
    inventory = inventory_of(_all(seen), _all(kept), folder)
    return TrainingData(
        _patches(images, seen, noise, seed),
        _patches(images, kept, noise, seed) if kept else None,
        _smallest_side(kept, patch_multiple) if kept else 0,
        inventory,
    )


def _opened(images: TrainingImages, folder: Path) -> Groups[Any]:
    try:
        if isinstance(images, CleanImages):
            return open_clean(images, folder)
        pairs = open_pairs(images, folder)
    except AxesNotSaidError as error:
        is_clean = isinstance(images, CleanImages)
        where = "axes of the source" if is_clean else "data.images.axes"
        raise InputError(f"{error} In a recipe they are the {where}.") from error
    check_agreement(pairs)
    return [(1.0, pairs)]


def _all(groups: Groups[Any]) -> list[Any]:
    return [image for _, group in groups for image in group]


def _patches(
    images: TrainingImages, groups: Groups[Any], noise: Degradation | None, seed: int
) -> BatchSource:
    sampler = ForegroundSampler(groups, seed, 1 - images.foreground_fraction)
    if not isinstance(images, CleanImages):
        return PairPatches(sampler, groups[0][1][0].scale)
    if noise is None:
        raise InputError(
            "Clean images need something that spoils them; add noise to the recipe."
        )
    return CleanPatches(sampler, noise, images.variety)


def _smallest_side(groups: Groups[Any], multiple: int) -> int:
    """Give the largest patch size that every image has room for, in whole steps."""
    smallest = min(_all(groups), key=_side)
    step = multiple if _side(smallest) < _PATCH_STEP else _PATCH_STEP
    side = max(_side(smallest) // step, 1) * step
    check_measured(smallest, side)
    return side


def _side(image: Any) -> int:
    """Give the shorter side of the clean image, in pixels."""
    return int(getattr(image, "scale", 1) * min(image.shape[1:]))
