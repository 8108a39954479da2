"""Whether both sides of a pair show the same place, in the same units.

Both are told from maps of the means of 4 x 4 pixels, which hold little noise:

    place   where one map is to be moved to for the best correlation: nowhere, if the
            sides are registered; of different fields, no place is good
    units   gain and offset of the line ``noisy = gain * target + offset``, through the
            means of 16 x 16 pixels, which a blur hardly changes
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from einops import reduce
from numpy.typing import NDArray

from diffir_core.errors import InputError

if TYPE_CHECKING:
    from diffir_training.images.pairs import PairSource

Map = NDArray[np.float64]
logger = logging.getLogger(__name__)
_BLOCK = 4
_COARSER = 4
_LEAST_BLOCKS = 16
"""Along each side of a map; of fewer, unlike images are alike by chance."""
_LARGEST_SIDE = 1024
"""Of what is looked at of a plane, in pixels of the noisy image."""
_EXTREME_PERCENT = 0.2
"""Of the values, cut off at either end: hot pixels would rule a map."""
_SAMPLED_VALUES = 50_000
_FAR_BLOCKS = 2
_UNLIKE = 0.3
"""Correlation below which sides with structure are not of one place. Of the pairs that
this was tried on, real ones of 5 to 33 dB, the least was 0.78."""
_LIKE = 0.7
_BETTER = 0.05
"""How much more a moved map must correlate; that of a grid does equally."""
_ON_A_LINE = 0.7
"""Correlation from which on gain and offset are believed; then real pairs have gains of
0.89 to 1.10."""
_OTHER_GAIN = 2.0
_OTHER_OFFSET = 0.5
"""In model units."""
_FLAT_GAIN = 20.0
_REMEDY = (
    "bring the clean images to the units of the noisy ones, or give gain and offset in "
    "a table of pairs"
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the two sides of a pair agree."""

    noisy: str
    """Name of the noisy image."""
    clean: str
    correlation: float
    """Of the maps as they lie, from -1 to 1."""
    best: float
    """Of the maps as they correlate best, one moved."""
    shift: tuple[int, int]
    """By how many pixels of the noisy image the clean one is moved then, (y, x)."""
    is_structured: bool
    """Whether the noisy side shows anything besides noise."""
    gain: float
    offset: float
    difference: float
    """Mean of the noisy side less that of the target, in model units."""

    @property
    def is_shifted(self) -> bool:
        """Whether the sides fit better, and well, if one is moved far."""
        fits = self.best >= max(_LIKE, self.correlation + _BETTER)
        return self._is_best_far_away and fits

    @property
    def is_misplaced(self) -> bool:
        """Whether the sides are of different places, or one is shifted."""
        is_unlike = self._is_best_far_away and self.correlation < _UNLIKE
        return is_unlike or self.is_shifted

    @property
    def _is_best_far_away(self) -> bool:
        """Even of a pair that hardly correlates, it is not if both are of one place."""
        is_far = max(map(abs, self.shift)) >= _FAR_BLOCKS * _BLOCK
        return self.is_structured and is_far

    @property
    def is_of_other_units(self) -> bool:
        """Whether the target has another contrast, or lies elsewhere."""
        if self.is_misplaced or self.correlation < _ON_A_LINE:
            return False
        has_other_gain = not 1 / _OTHER_GAIN <= self.gain <= _OTHER_GAIN
        return has_other_gain or abs(self.difference) > _OTHER_OFFSET


def check_agreement(pairs: Sequence[PairSource]) -> None:
    """Warn of pairs that are not of one place or not in the same units.

    Where a target is all but flat in the units of the noisy side, nothing could be
    learnt: that is refused.
    """
    measured = (agreement_of(pair) for pair in _clearest_of_each_file(pairs))
    found = [one for one in measured if one is not None]
    for one in found:
        _check_contrast(one)
    _warn_of_places(found)
    _warn_of_units(found)


def agreement_of(pair: PairSource) -> Agreement | None:
    """Compare the sides of a pair; None where there is too little to compare."""
    sides = pair.read(*_window(pair))
    blocks = (_BLOCK, _BLOCK * pair.scale)
    noisy, clean = (_map(*one) for one in zip(sides, blocks, strict=True))
    if min(noisy.shape) < _LEAST_BLOCKS or not (noisy.std() and clean.std()):
        return None
    correlation, best, shift = _correlated(noisy, clean)
    gain, offset = _line(noisy, clean)
    return Agreement(
        noisy=pair.name,
        clean="/".join(Path(pair.shows[0]).parts[-2:]),
        correlation=correlation,
        best=best,
        shift=(shift[0] * _BLOCK, shift[1] * _BLOCK),
        is_structured=_is_structured(noisy),
        gain=gain,
        offset=offset,
        difference=float(noisy.mean() - clean.mean()) / pair.mapping.scale,
    )


def _clearest_of_each_file(pairs: Iterable[PairSource]) -> Iterable[PairSource]:
    """Choose the pair with the most structure of each file and channel."""
    clearest: dict[Any, PairSource] = {}
    for pair in pairs:
        channel = tuple(at for at in pair.position if at[0] in "CS")
        best = clearest.setdefault((pair.file, channel), pair)
        if pair.foreground.mean > best.foreground.mean:
            clearest[pair.file, channel] = pair
    return clearest.values()


def _window(pair: PairSource) -> tuple[slice, slice]:
    """Give the part of a plane around the cell with the most structure."""
    seen = pair.foreground
    row, column = np.unravel_index(seen.structure.argmax(), seen.structure.shape)
    _, height, width = pair.shape
    return (
        _around(int(seen.row_edges[row]), height),
        _around(int(seen.column_edges[column]), width),
    )


def _around(centre: int, size: int) -> slice:
    side = min(size, _LARGEST_SIDE) // _BLOCK * _BLOCK
    start = min(max(0, centre - side // 2), size - side)
    return slice(start, start + side)


def _map(side: NDArray[np.float32], block: int) -> Map:
    """Average blocks of pixels (channels, y, x), and the channels."""
    sample = side.ravel()[:: max(1, side.size // _SAMPLED_VALUES) | 1]
    low, high = np.percentile(sample, [_EXTREME_PERCENT, 100 - _EXTREME_PERCENT])
    values = np.clip(side, low, high)
    means = reduce(values, "c (y v) (x u) -> y x", "mean", v=block, u=block)
    return np.asarray(means, np.float64)


def _correlated(noisy: Map, clean: Map) -> tuple[float, float, tuple[int, int]]:
    """Give the correlation as the maps lie, the best one, and the way there."""
    spectra = [np.fft.rfft2(_standardised(side)) for side in (noisy, clean)]
    found = np.fft.irfft2(spectra[0] * spectra[1].conj(), noisy.shape)
    row, column = np.unravel_index(found.argmax(), found.shape)
    height, width = found.shape
    shift = (_signed(int(row), height), _signed(int(column), width))
    return float(found[0, 0]), float(found.max()), shift


def _standardised(side: Map) -> Map:
    """Bring to a mean of 0 and a norm of 1, weighted less towards the border."""
    weights = np.outer(*(np.hanning(size + 2)[1:-1] for size in side.shape))
    centred = (side - np.average(side, weights=weights)) * weights
    return centred / (np.linalg.norm(centred) or 1.0)


def _signed(index: int, size: int) -> int:
    return (index + size // 2) % size - size // 2


def _is_structured(side: Map) -> bool:
    """Tell whether blocks are like their neighbours, along both axes: noise is not."""
    steps = ((side[1:], side[:-1]), (side[:, 1:], side[:, :-1]))
    return all(
        np.corrcoef(one.ravel(), other.ravel())[0, 1] > _UNLIKE for one, other in steps
    )


def _line(noisy: Map, clean: Map) -> tuple[float, float]:
    """Fit ``noisy = gain * clean + offset``."""
    rows, columns = (size // _COARSER * _COARSER for size in noisy.shape)
    coarse = [
        reduce(
            side[:rows, :columns],
            "(y v) (x u) -> (y x)",
            "mean",
            v=_COARSER,
            u=_COARSER,
        )
        for side in (noisy, clean)
    ]
    covariances = np.cov(np.stack(coarse))
    gain = float(covariances[0, 1] / (covariances[1, 1] or np.nan))
    return gain, float(coarse[0].mean() - gain * coarse[1].mean())


def _check_contrast(one: Agreement) -> None:
    if one.is_of_other_units and one.gain > _FLAT_GAIN:
        raise InputError(
            f"{one.clean} is all but flat in the units of {one.noisy}, which is about "
            f"{_formula(one)}; {_REMEDY}."
        )


def _warn_of_units(found: Sequence[Agreement]) -> None:
    others = [one for one in found if one.is_of_other_units]
    if others:
        logger.warning(
            "%s the clean side is in other units than the noisy one, such as %s, which "
            "is about %s; %s, or the model learns to change the brightness.",
            *(_share(others, found), others[0].noisy, _formula(others[0]), _REMEDY),
        )


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
