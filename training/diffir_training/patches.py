"""Batches of patches, from clean images that are spoilt, or from pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_training.batches import Batch
from diffir_training.degradations import Degradation, Degraded
from diffir_training.degradations.base import log_uniform
from diffir_training.images import (
    CleanPlane,
    ForegroundSampler,
    PairSource,
    Spot,
    Variety,
    flipped,
    read_pair,
)

Image = NDArray[np.float32]


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
