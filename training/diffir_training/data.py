"""Clean images from folders, and random patches of them seen by random cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError
from diffir_core.intensity import fit_mapping
from diffir_training.batches import Batch
from diffir_training.degradations import Degradation, Degraded

_MAX_PLANES_PER_FILE = 8
_CHANNEL_SIZES = (2, 3, 4)


class CleanSource(FrozenConfig):
    """Clean images of one kind."""

    pattern: str
    """Files, as a pattern below the data folder, such as ``clean/bbbc039/*.tif``."""
    weight: float = Field(1.0, gt=0)
    """How often this source is drawn from, against the others."""
    downscale: tuple[float, float] = (1.0, 2.0)
    """Range of the random shrinking that hides the image's own noise and blur."""


@dataclass(frozen=True, slots=True)
class CleanPlane:
    """One plane: 0 at its background, 1 at its 99.8th percentile."""

    values: NDArray[np.float32]
    downscale: tuple[float, float]


def load_sources(
    folder: Path, sources: tuple[CleanSource, ...]
) -> list[tuple[float, list[CleanPlane]]]:
    """Read the planes of every source, with its weight; all are kept in memory."""
    loaded = []
    for source in sources:
        files = sorted(folder.glob(source.pattern))
        if not files:
            raise InputError(
                f"No image matches '{source.pattern}' below {folder}; check the "
                "recipe's data.folder and patterns."
            )
        planes = [
            CleanPlane(_normalised(plane), source.downscale)
            for file in files
            for plane in _read_planes(file)
        ]
        loaded.append((source.weight, planes))
    return loaded


Sources = list[tuple[float, list[CleanPlane]]]


def split_sources(sources: Sources, held_back: float) -> tuple[Sources, Sources]:
    """Keep some planes of every source apart: (for training, for validation).

    The last ones are kept, which are those of the last files; a source of one plane is
    for training alone.
    """
    training: Sources = []
    validation: Sources = []
    for weight, planes in sources:
        count = max(1, round(held_back * len(planes))) if len(planes) > 1 else 0
        training.append((weight, planes[: len(planes) - count]))
        if count:
            validation.append((weight, planes[-count:]))
    if not validation:
        raise InputError(
            "Validation needs a source of two planes or more; add images, or leave "
            "validation out of the recipe."
        )
    return training, validation


def _read_planes(file: Path) -> list[NDArray[np.generic]]:
    from skimage.io import imread

    image = np.squeeze(np.asarray(imread(file)))
    if image.ndim == 3 and image.shape[-1] in _CHANNEL_SIZES:
        image = np.moveaxis(image, -1, 0)
    planes = image.reshape(-1, *image.shape[-2:])
    step = -(-len(planes) // _MAX_PLANES_PER_FILE)
    return list(planes[step // 2 :: step])


def _normalised(plane: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.clip(fit_mapping(plane).to_model(plane), 0.0, 3.0)


@dataclass(frozen=True, slots=True)
class PatchSampler:
    """Batches by number: the same number gives the same batch, in any order.

    A resumed training therefore sees exactly what an unbroken one would have seen.
    """

    sources: list[tuple[float, list[CleanPlane]]]
    noise: Degradation
    seed: int

    def batch(self, number: int, size: int, items: Sequence[int]) -> Batch:
        """Draw those pairs of batch `number` that `items` names."""
        pairs = [
            self._pair(np.random.default_rng((self.seed, number, i)), size)
            for i in items
        ]
        return Batch(
            torch.from_numpy(np.stack([pair.noisy for pair in pairs])),
            torch.from_numpy(np.stack([pair.clean for pair in pairs])),
        )

    def _pair(self, generator: np.random.Generator, size: int) -> Degraded:
        clean = self._clean_patch(generator, size)
        return self.noise.apply(clean[None], generator)

    def _clean_patch(
        self, generator: np.random.Generator, size: int
    ) -> NDArray[np.float32]:
        patch = self._crop(generator, size)
        if generator.random() < 0.25:  # Structures of two images on top of each other.
            share = generator.uniform(0.2, 0.8)
            patch = share * patch + (1 - share) * self._crop(generator, size)
        if generator.random() < 0.3:
            patch = patch ** generator.uniform(0.6, 1.8)
        if generator.random() < 0.3:  # A dim corner of a bright image.
            patch = patch * np.exp(generator.uniform(np.log(0.15), 0.0))
        return np.asarray(patch, dtype=np.float32)

    def _crop(self, generator: np.random.Generator, size: int) -> NDArray[np.float32]:
        weights = np.array([weight for weight, _ in self.sources])
        planes = self.sources[
            generator.choice(len(weights), p=weights / weights.sum())
        ][1]
        plane = planes[generator.integers(len(planes))]
        factor = min(
            generator.uniform(*plane.downscale), min(plane.values.shape) / size
        )
        wide = min(round(size * factor), *plane.values.shape)
        row, column = (
            int(generator.integers(0, extent - wide + 1))
            for extent in plane.values.shape
        )
        crop = plane.values[row : row + wide, column : column + wide]
        return _flipped(_resized(crop, size), int(generator.integers(8)))


def _resized(crop: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if crop.shape[0] == size:
        return crop
    tensor = torch.from_numpy(np.ascontiguousarray(crop))[None, None]
    resized = F.interpolate(
        tensor, (size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0, 0].numpy()


def _flipped(patch: NDArray[np.float32], which: int) -> NDArray[np.float32]:
    """Give one of the eight flips and rotations."""
    patch = np.rot90(patch, which % 4)
    return np.ascontiguousarray(patch[:, ::-1] if which >= 4 else patch)
