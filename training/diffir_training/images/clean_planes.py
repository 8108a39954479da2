"""Clean planes, which training degrades by itself: from files, or drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffir_core.intensity import IntensityMapping
from diffir_training.images._files import matching_images
from diffir_training.images._opening import FileCache
from diffir_training.images.checks import check_finite
from diffir_training.images.configs import CleanImages, CleanSource, DrawnSource
from diffir_training.images.drawing import drawn_image
from diffir_training.images.planes import (
    ImagePlane,
    Position,
    array_planes,
    file_planes,
)
from diffir_training.images.survey import Foreground, survey_planes, unseen_survey


@dataclass(frozen=True, slots=True)
class CleanPlane:
    """One clean plane: 0 at its background, 1 at its 99.8th percentile."""

    plane: ImagePlane
    mapping: IntensityMapping
    foreground: Foreground
    """In units where the 99.8th percentile is 1."""
    downscale: tuple[float, float]

    @property
    def name(self) -> str:
        """File and position, for messages."""
        return self.plane.name

    @property
    def file(self) -> str:
        """What is held back as one."""
        return self.plane.file

    @property
    def shows(self) -> tuple[str, ...]:
        """The file alone."""
        return self.plane.shows

    @property
    def position(self) -> Position:
        """Where the plane is in its file."""
        return self.plane.position

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""
        return self.plane.shape

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the window (channels, rows, columns), clipped to 0 .. 3."""
        values = self.plane.read(rows, columns)
        check_finite(self.name, values)  # Not all kinds were looked at before.
        return np.clip(self.mapping.to_model(values), 0.0, 3.0)


def open_clean(
    config: CleanImages, folder: Path
) -> list[tuple[float, list[CleanPlane]]]:
    """Open the planes of every source below a folder, with its weight."""
    cache = FileCache()
    return [
        (source.weight, _clean_planes(source, config, folder, cache))
        for source in config.sources
    ]


def _clean_planes(
    source: CleanSource | DrawnSource,
    config: CleanImages,
    folder: Path,
    cache: FileCache,
) -> list[CleanPlane]:
    planes = (
        _drawn_planes(source)
        if isinstance(source, DrawnSource)
        else _planes_in_files(source, folder, cache)
    )
    surveys = (
        survey_planes(planes, config.intensity)
        if config.is_looked_at
        else [unseen_survey(plane) for plane in planes]
    )
    return [
        CleanPlane(
            plane,
            survey.mapping,
            survey.foreground.scaled(1 / survey.mapping.scale),
            source.downscale,
        )
        for plane, survey in zip(planes, surveys, strict=True)
    ]


def _planes_in_files(
    source: CleanSource, folder: Path, cache: FileCache
) -> list[ImagePlane]:
    planes: list[ImagePlane] = []
    for found in matching_images(folder, source.pattern):
        planes += file_planes(found.path, source.axes, cache)
    return planes


def _drawn_planes(source: DrawnSource) -> list[ImagePlane]:
    planes: list[ImagePlane] = []
    for i in range(source.images):
        image = drawn_image(source.structure, source.size, (source.seed, i))
        # Equal names would be taken for the same image by the split.
        where = f"{source.size} of seed {source.seed}, number {i}"
        name = f"drawn {source.structure} {where}"
        planes += array_planes(image.astype(np.float32), name=name)
    return planes
