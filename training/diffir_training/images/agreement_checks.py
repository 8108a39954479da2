"""What is said of pairs whose sides do not agree, before training begins."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_training.images.agreement import Agreement, agreement_of

if TYPE_CHECKING:
    from diffir_training.images.pairs import PairSource

logger = logging.getLogger(__name__)
_FLAT_GAIN = 20.0
_MOST_COMPARED = 256
"""Of more files, those that are evenly spread: each is opened once more."""
_OF_PAIRS = (
    "the clean side is in other units than the noisy one",
    "bring the clean images to the units of the noisy ones, or give gain and offset in "
    "a table of pairs",
)
_OF_FRAMES = (
    "a frame is brighter or darker than the others",
    "leave out frames that have bleached",
)


def check_agreement(pairs: Sequence[PairSource]) -> None:
    """Warn of pairs that are not of one place or not in the same units.

    Where a target is all but flat in the units of the noisy side, nothing could be
    learnt: that is refused.
    """
    clearest = _clearest_of_each_file(pairs)
    step = max(1, -(-len(clearest) // _MOST_COMPARED))
    measured = (agreement_of(pair) for pair in clearest[::step])
    found = [one for one in measured if one is not None]
    for one in found:
        _check_contrast(one)
    _warn_of_places(found)
    _warn_of_units(found)


def _clearest_of_each_file(pairs: Iterable[PairSource]) -> list[PairSource]:
    """Choose the pair with the most structure of each file and channel."""
    clearest: dict[Any, PairSource] = {}
    for pair in pairs:
        channel = tuple(at for at in pair.position if at[0] in "CS")
        best = clearest.setdefault((pair.file, channel), pair)
        if pair.foreground.mean > best.foreground.mean:
            clearest[pair.file, channel] = pair
    return list(clearest.values())


def _check_contrast(one: Agreement) -> None:
    if one.is_of_other_units and abs(one.gain) > _FLAT_GAIN:
        raise InputError(
            f"{one.clean} is all but flat in the units of {one.noisy}, which is about "
            f"{_formula(one)}; {_fault_and_remedy(one)[1]}."
        )


def _warn_of_units(found: Sequence[Agreement]) -> None:
    others = [one for one in found if one.is_of_other_units]
    if others:
        fault, remedy = _fault_and_remedy(others[0])
        logger.warning(
            "%s %s, such as %s, which is about %s; %s, or the model learns to change "
            "the brightness.",
            *(_share(others, found), fault, others[0].noisy, _formula(others[0])),
            remedy,
        )


def _fault_and_remedy(one: Agreement) -> tuple[str, str]:
    return _OF_FRAMES if one.is_of_frames else _OF_PAIRS


def _warn_of_places(found: Sequence[Agreement]) -> None:
    misplaced = [one for one in found if one.is_misplaced]
    if misplaced:
        one = misplaced[0]
        logger.warning(
            "%s the two sides do not show the same place, such as %s and %s, which "
            "correlate by %.2f%s; look at them side by side: pairs must be of one "
            "field, and registered.",
            *(_share(misplaced, found), one.noisy, one.clean),
            *(one.correlation, _moved(one)),
        )


def _share(some: Sequence[Agreement], of: Sequence[Agreement]) -> str:
    return f"In {len(some)} of {len(of)} pairs that were compared"


def _moved(one: Agreement) -> str:
    if not one.is_shifted:
        return ""
    y, x = one.shift
    return (
        f", and by {one.best:.2f} if the clean one is moved by {y}, {x} pixels (y, x)"
    )


def _formula(one: Agreement) -> str:
    return f"{one.gain:.3g} · {one.clean} {one.offset:+.3g}"
