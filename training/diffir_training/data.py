"""Batches of patches, from clean images that are spoilt, or from pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_training.batches import Batch, BatchSource
from diffir_training.degradations import Degradation, Degraded
from diffir_training.degradations.base import log_uniform
from diffir_training.images import (
    CleanImages,
    CleanPlane,
    ForegroundSampler,
    Groups,
    HeldBack,
    Inventory,
    PairSource,
    Spot,
    TrainingImages,
    Variety,
    check_channels,
    check_fits,
    check_measured,
    check_some_fit,
    flipped,
    inventory_of,
    open_clean,
    open_pairs,
    read_pair,
    split_groups,
)

Image = NDArray[np.float32]
_PATCH_STEP = 32
"""Held-back patches are a multiple of this, where an image has room for it."""


@dataclass(frozen=True, slots=True)
class CleanPatches:
    """Clean patches, each spoilt anew."""

    sampler: ForegroundSampler[CleanPlane]
    noise: Degradation
    variety: Variety

    def batch(self, number: int, size: int, items: Sequence[int]) -> Batch:
        """Draw those pairs of batch `number` that `items` names."""
        return _stacked([self._pair(number, item, size) for item in items])

    def _pair(self, number: int, item: int, size: int) -> Degraded:
        generator = self.sampler.generator(number, item)
        return self.noise.apply(self._clean(generator, size), generator)

    def _clean(self, generator: np.random.Generator, size: int) -> Image:
        patch, variety = self._crop(generator, size), self.variety
        if generator.random() < variety.mixed_fraction:
            share = generator.uniform(0.2, 0.8)
            patch = share * patch + (1 - share) * self._crop(generator, size)
        inverts = variety.inverted_fraction > 0
        if inverts and generator.random() < variety.inverted_fraction:
            patch = np.maximum(1 - patch, 0)
        if generator.random() < variety.gamma_fraction:
            patch = patch ** generator.uniform(0.6, 1.8)
        if generator.random() < variety.dimmed_fraction:
            patch = patch * np.exp(generator.uniform(np.log(0.15), 0.0))
        return np.asarray(patch, dtype=np.float32)

    def _crop(self, generator: np.random.Generator, size: int) -> Image:
        spot = self.sampler.spot(generator)
        wide = _shrunk_from(spot, size, generator)
        window = self.sampler.around(spot, wide, generator)
        crop = spot.source.read(window.rows, window.columns)
        return flipped(_resized(crop, size), window.flip)


@dataclass(frozen=True, slots=True)
class PairPatches:
    """Patches of noisy and clean images of the same place."""

    sampler: ForegroundSampler[PairSource]
    scale: int

    def batch(self, number: int, size: int, items: Sequence[int]) -> Batch:
        """Read those pairs of batch `number` that `items` names; clean ones `size`."""
        if size % self.scale:
            raise InputError(
                f"A patch of {size} pixels cannot be {self.scale} times one of the "
                f"noisy image; choose a patch_size that is a multiple of {self.scale}."
            )
        windows = (self.sampler.window(number, i, size // self.scale) for i in items)
        return _stacked([Degraded(*read_pair(window)) for window in windows])


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
    if isinstance(images, CleanImages):
        return open_clean(images, folder)
    return [(1.0, open_pairs(images, folder))]


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


def _stacked(pairs: Sequence[Degraded]) -> Batch:
    noisy = np.stack([pair.noisy for pair in pairs])
    clean = np.stack([pair.clean for pair in pairs])
    return Batch(torch.from_numpy(noisy), torch.from_numpy(clean), _real(pairs))


def _real(pairs: Sequence[Degraded]) -> torch.Tensor | None:
    """Give what is real of every pair, unless it is the target of all of them."""
    if all(pair.real is None for pair in pairs):
        return None
    reals = [pair.clean if pair.real is None else pair.real for pair in pairs]
    return torch.from_numpy(np.stack(reals))


def _shrunk_from(
    spot: Spot[CleanPlane], size: int, generator: np.random.Generator
) -> int:
    """Draw the side of the window that is rescaled to a patch of `size` pixels."""
    shortest = min(spot.source.shape[1:])
    factor = log_uniform(spot.source.downscale, generator)
    return min(round(size * factor), shortest)


def _resized(crop: Image, size: int) -> Image:
    if crop.shape[-1] == size:
        return crop
    tensor = torch.from_numpy(np.ascontiguousarray(crop))[None]
    resized = F.interpolate(
        tensor, (size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0].numpy()
