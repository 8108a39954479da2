"""What to train on, as values: clean images, pairs, or repeated frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from diffir_core._base import FrozenConfig
from diffir_training.degradations.base import PositiveRange
from diffir_training.images.pairing_checks import check_stars

IntensityKind = Literal["percentiles", "range"]
"""What becomes 0 and 1 in model units: percentiles of the image, or its whole range.

``percentiles`` is how microscopy is restored. ``range`` is that of photographs: 255
becomes 1 in 8 bits, 65535 in 16; floats are taken as they are.
"""


class _Images(FrozenConfig):
    """What all kinds of images have in common."""

    intensity: IntensityKind = "percentiles"
    foreground_fraction: float = Field(0.7, ge=0, le=1)
    """Share of the patches that are drawn in proportion to the structure in them, so
    that empty background does not dominate; the others are drawn anywhere."""

    @property
    def is_looked_at(self) -> bool:
        """Whether images must be read before training, for values or structure."""
        return self.intensity != "range" or self.foreground_fraction > 0


Structure = Literal["leaves", "filaments", "puncta", "cells"]
"""What can be drawn; see `diffir_training.images.drawing`."""


class _Source(FrozenConfig):
    """Clean images of one kind."""

    weight: float = Field(1.0, gt=0)
    """How often this source is drawn from, against the others."""
    downscale: PositiveRange = (1.0, 2.0)
    """Range of the random shrinking that hides the image's own noise and blur; factors
    below 1 enlarge, as a microscope with smaller pixels does. All factors of a range
    come as often on a logarithmic scale."""


class CleanSource(_Source):
    """Clean images in files."""

    pattern: str
    """Files, as a pattern below the data folder, such as ``clean/bbbc039/*.tif``."""
    axes: str | None = None
    """Axes of the files, such as ``ZYX``; by default as they say."""


class DrawnSource(_Source):
    """Clean images that are drawn at random when training begins."""

    structure: Structure
    """What to draw."""
    images: int = Field(32, ge=1)
    """How many different ones."""
    size: int = Field(512, ge=64)
    """Height and width of each, in pixels."""
    seed: int = Field(0, ge=0)
    """The same seed draws the same images."""


def _kind_of_source(value: object) -> str:
    is_drawn = (
        "structure" in value
        if isinstance(value, Mapping)
        else isinstance(value, DrawnSource)
    )
    return "drawn" if is_drawn else "files"


Source = Annotated[
    Annotated[CleanSource, Tag("files")] | Annotated[DrawnSource, Tag("drawn")],
    Discriminator(_kind_of_source),
]
"""Either of the two, told apart by having a structure."""


class Variety(FrozenConfig):
    """How often a clean patch is changed before it is degraded."""

    mixed_fraction: float = Field(0.25, ge=0, le=1)
    """Laid over another patch: structures of two images on top of each other."""
    gamma_fraction: float = Field(0.3, ge=0, le=1)
    """Given another contrast, by a power of 0.6 to 1.8."""
    dimmed_fraction: float = Field(0.3, ge=0, le=1)
    """Dimmed to as little as 0.15: a dim corner of a bright image."""
    inverted_fraction: float = Field(0.0, ge=0, le=1)
    """Made its own negative: dark on bright, as in transmitted light or electrons."""


class CleanImages(_Images):
    """Clean images; what spoils them is the recipe's `noise`."""

    kind: Literal["clean"] = "clean"
    sources: tuple[Source, ...] = Field(min_length=1)
    variety: Variety = Variety()


class PairedImages(_Images):
    """A clean image for each noisy one, by two patterns or by a table."""

    kind: Literal["paired"] = "paired"
    noisy: str | None = None
    """Pattern of the noisy files below the data folder, such as ``raw/*.tif``."""
    clean: str | None = None
    """Pattern of the clean ones: what its stars match must be equal to that of the
    noisy one's, as 01 in ``raw/*_noisy.tif`` and ``gt/*.tif``."""
    table: str | None = None
    """A CSV below the data folder, instead of patterns: columns noisy and clean (names
    relative to the table), and optionally gain and offset: the target is
    ``gain * clean + offset``, for images whose contrast was stretched separately."""
    scale: int = Field(1, ge=1)
    """How many times higher and wider the clean image is (super-resolution)."""
    axes: str | None = None
    """Axes of all files, such as ``ZYX``; by default as they say."""

    @model_validator(mode="after")
    def _one_way_to_match(self) -> Self:
        patterns = (self.noisy is not None, self.clean is not None)
        if patterns not in ((True, True), (False, False)) or (
            all(patterns) == (self.table is not None)
        ):
            raise ValueError("give both noisy and clean, or table alone")
        if self.noisy is not None and self.clean is not None:
            check_stars(self.noisy, self.clean)
        return self


class RepeatedFrames(_Images):
    """Several noisy frames of the same field: one is noisy, the others make the target.

    The mean of the others shares no noise with the frame. Frames must be registered
    and the specimen still.
    """

    kind: Literal["repeated"] = "repeated"
    pattern: str
    """Folders with the frames of one field each, such as ``raw/*``, or stacks of them
    along T."""
    average: str | None = None
    """Pattern of given averages, one a field, such as ``gt/*.png``: the target instead
    of the mean of the others. What the stars match must be equal."""
    axes: str | None = None
    """Axes of all files, such as ``TYX``; by default as they say."""

    @model_validator(mode="after")
    def _comparable_stars(self) -> Self:
        if self.average is not None:
            check_stars(self.pattern, self.average)
        return self


TrainingImages = Annotated[
    CleanImages | PairedImages | RepeatedFrames, Field(discriminator="kind")
]
"""Any of the three, told apart by their `kind`."""
