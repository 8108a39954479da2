"""What a model says about itself: how it was trained, and when not to trust it."""

from __future__ import annotations

from pydantic import Field

from diffir_core._base import FrozenConfig


class ModelCard(FrozenConfig):
    """The card of a model; it travels inside its weights file."""

    name: str = ""
    description: str = ""
    task: str = ""
    training_data: tuple[str, ...] = ()
    """What the model saw, each with its licence."""
    degradation: str = ""
    """What its inputs suffered from, with ranges and units."""
    intended_use: str = ""
    limitations: str = ""
    licence: str = ""
    citation: str = ""
    keeps_local_mean: bool = False
    """Whether results are given the local mean of the raw image, unless asked not to;
    see `diffir_core.engine.local_mean`."""
    keeps_fine_structure: bool = False
    """Whether results are given back fine structure of the raw image, unless asked not
    to; see `diffir_core.engine.fine_structure`."""
    averages_flips: bool = False
    """Whether planes are restored in all four flips and the mean is taken,
    unless asked not to; see `diffir_core.engine.flips`."""
    expects_dark_background: bool = False
    """Whether it learnt bright structures on dark alone, so that an image with a bright
    background is restored as its negative, unless asked not to."""
    frozen_halo_px: int | None = None
    """Halo with which crops under a frozen state equal the whole; None: unknown."""
    figures: dict[str, float | str] = Field(default_factory=dict)
    """Measured quality, by data set and metric; JSON, as it is stored, has no inf."""
