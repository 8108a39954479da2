"""What is done around a network: as the card says, unless options say otherwise."""

from __future__ import annotations

from diffir_core._base import FrozenConfig
from diffir_core.card import ModelCard
from diffir_core.options import RestoreOptions


class Settled(FrozenConfig):
    """What holds once a model and options are known; results depend on it."""

    keeps_local_mean: bool
    """Planes are given the local mean that was measured."""
    keeps_fine_structure: bool
    """Planes are given back fine structure that was taken from them."""
    averages_flips: bool
    """Planes are restored in all four flips, and the mean is taken."""
    negative: bool | None
    """Images are restored as their negatives; None: those with a bright background."""


def settle(card: ModelCard | None, options: RestoreOptions) -> Settled:
    """Let the card decide where the options leave it open; no card, no to all."""
    card = card or ModelCard()
    return Settled(
        keeps_local_mean=_first(options.keep_local_mean, card.keeps_local_mean),
        keeps_fine_structure=_first(
            options.keep_fine_structure, card.keeps_fine_structure
        ),
        averages_flips=_first(options.average_flips, card.averages_flips),
        negative=_negative(card, options),
    )


def _negative(card: ModelCard, options: RestoreOptions) -> bool | None:
    if options.negative is None and not card.expects_dark_background:
        return False
    return options.negative


def _first(asked: bool | None, otherwise: bool) -> bool:
    return otherwise if asked is None else asked
