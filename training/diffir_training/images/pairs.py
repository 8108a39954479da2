"""Noisy and clean windows of the same place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.intensity import IntensityMapping
from diffir_training.images._fields import RepeatedField, fields_of
from diffir_training.images._opening import FileCache
from diffir_training.images._partners import (
    Partners,
    partners_by_name,
    partners_in_table,
)
from diffir_training.images.configs import (
    IntensityKind,
    PairedImages,
    RepeatedFrames,
)
from diffir_training.images.pairing_checks import check_same_positions, check_same_size
from diffir_training.images.planes import (
    ImagePlane,
    Position,
    file_planes,
)
from diffir_training.images.survey import Foreground, survey_planes

Float32 = NDArray[np.float32]


class PairSource(Protocol):
    """Where noisy and clean windows of the same place come from."""

    @property
    def name(self) -> str:
        """The noisy image's name, for messages."""

    @property
    def file(self) -> str:
        """What is held back as one: a file, or a folder of frames of one field."""

    @property
    def shows(self) -> tuple[str, ...]:
        """All files that show its specimen: the clean and the noisy one."""

    @property
    def position(self) -> Position:
        """Where it is in its file; repeated frames are at the same position."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x) of the noisy image."""

    @property
    def scale(self) -> int:
        """How many times higher and wider the clean image is."""

    @property
    def mapping(self) -> IntensityMapping:
        """From the noisy image's units to model units, for both; fitted to it whole."""

    @property
    def foreground(self) -> Foreground:
        """Structure of the clean image in model units, on the noisy one's pixels."""

    def read(self, rows: slice, columns: slice) -> tuple[Float32, Float32]:
        """Read a window of the noisy image, and its place in the clean one.

        Both (channels, rows, columns) in the noisy image's units; the clean one has
        `scale` times as many rows and columns.
        """


@dataclass(frozen=True, slots=True)
class PlanePair:
    """A noisy and a clean plane; the target is ``gain * clean + offset``."""

    noisy: ImagePlane
    clean: ImagePlane
    file: str
    mapping: IntensityMapping
    foreground: Foreground
    gain: float = 1.0
    offset: float = 0.0
    scale: int = 1

    @property
    def name(self) -> str:
        """The noisy image's name, for messages."""
        return self.noisy.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x) of the noisy image."""
        return self.noisy.shape

    @property
    def shows(self) -> tuple[str, ...]:
        """All files that show its specimen: the clean and the noisy one."""
        return self.clean.file, self.file

    @property
    def position(self) -> Position:
        """Where the clean plane is in its file; that of repeated frames has no T."""
        return self.clean.position

    def read(self, rows: slice, columns: slice) -> tuple[Float32, Float32]:
        """Read a window of the noisy image, and its place in the clean one."""
        noisy = self.noisy.read(rows, columns).astype(np.float32)
        clean = self.clean.read(self._enlarged(rows), self._enlarged(columns))
        target = self.gain * clean.astype(np.float64) + self.offset
        return noisy, target.astype(np.float32)

    def _enlarged(self, window: slice) -> slice:
        return slice(self.scale * window.start, self.scale * window.stop)


def open_pairs(config: PairedImages | RepeatedFrames, folder: Path) -> list[PairSource]:
    """Open all pairs below a folder, or say in one sentence what is wrong.

    Every image is looked at once, for its mapping, its structure, and values that are
    not finite.
    """
    cache = FileCache()
    if isinstance(config, RepeatedFrames):
        fields = fields_of(config, folder, cache)
        kind = config.intensity
        return [pair for field in fields for pair in _pairs_of_field(field, kind)]
    pairs: list[PairSource] = []
    for partners in _partners(config, folder):
        pairs += pairs_of_planes(
            file_planes(partners.noisy, config.axes, cache),
            file_planes(partners.clean, config.axes, cache),
            gain=partners.gain,
            offset=partners.offset,
            scale=config.scale,
            intensity=config.intensity,
        )
    return pairs


def _partners(config: PairedImages, folder: Path) -> list[Partners]:
    if config.table is not None:
        return partners_in_table(folder / config.table)
    return partners_by_name(folder, config.noisy or "", config.clean or "")


def pairs_of_planes(
    noisy: Sequence[ImagePlane],
    clean: Sequence[ImagePlane],
    *,
    gain: float = 1.0,
    offset: float = 0.0,
    scale: int = 1,
    intensity: IntensityKind = "percentiles",
) -> list[PlanePair]:
    """Pair the planes of a noisy and a clean stack, such as those of two layers."""
    noisy_at, clean_at = (
        {plane.position: plane for plane in p} for p in (noisy, clean)
    )
    check_same_positions(noisy[0].file, set(noisy_at), clean[0].file, set(clean_at))
    partners = [clean_at[plane.position] for plane in noisy]
    for one, other in zip(noisy, partners, strict=True):
        check_same_size(one, other, scale)
    mappings = [survey.mapping for survey in survey_planes(noisy, intensity)]
    foregrounds = [survey.foreground for survey in survey_planes(partners)]
    return [
        PlanePair(
            noisy=one,
            clean=other,
            file=one.file,
            mapping=mapping,
            foreground=foreground.scaled(gain / mapping.scale).shrunk(scale),
            gain=gain,
            offset=offset,
            scale=scale,
        )
        for one, other, mapping, foreground in zip(
            noisy, partners, mappings, foregrounds, strict=True
        )
    ]


def _pairs_of_field(
    field: RepeatedField, intensity: IntensityKind
) -> Iterator[PairSource]:
    foreground = survey_planes([field.average])[0].foreground
    for i, survey in enumerate(survey_planes(field.frames, intensity)):
        yield PlanePair(
            noisy=field.frames[i],
            clean=field.target(i),
            file=field.name,
            mapping=survey.mapping,
            foreground=foreground.scaled(1 / survey.mapping.scale),
        )
