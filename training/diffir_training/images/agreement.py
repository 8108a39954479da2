"""Whether both sides of a pair show the same place, in the same units.

Both are told from maps of the means of 4 x 4 pixels, which hold little noise:

    place   where one map is to be moved to for the best correlation: nowhere, if the
            sides are registered; of different fields, no place is good
    units   gain and offset of the line ``noisy = gain * target + offset``, through the
            means of 16 x 16 pixels, which a blur hardly changes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from einops import reduce
from numpy.typing import NDArray

if TYPE_CHECKING:
    from diffir_training.images.pairs import PairSource

Map = NDArray[np.float64]
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
_LEVEL_SHARE = 0.02
"""Of the deviation of a clean map, below which the coarser one is level: of a lattice,
the means of 16 x 16 pixels are all alike, and lie on any line."""
_OTHERS = "the mean of its other frames"
_OTHER_GAIN = 2.0
_OTHER_OFFSET = 0.5
"""In model units."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the two sides of a pair agree."""

    noisy: str
    """Name of the noisy image."""
    clean: str
    is_of_frames: bool
    """Whether the clean side is the mean of the other frames of the noisy one."""
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
    fit: float
    """How well they fit, from 0 to 1."""
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
        # A negative shows the same place.
        is_unlike = self._is_best_far_away and abs(self.correlation) < _UNLIKE
        return is_unlike or self.is_shifted

    @property
    def _is_best_far_away(self) -> bool:
        """Even of a pair that hardly correlates, it is not if both are of one place."""
        is_far = max(map(abs, self.shift)) >= _FAR_BLOCKS * _BLOCK
        return self.is_structured and is_far

    @property
    def is_of_other_units(self) -> bool:
        """Whether the target has another contrast, or lies elsewhere."""
        is_on_a_line = min(abs(self.correlation), self.fit) >= _ON_A_LINE
        if self.is_misplaced or not is_on_a_line:
            return False
        has_other_gain = not 1 / _OTHER_GAIN <= self.gain <= _OTHER_GAIN
        return has_other_gain or abs(self.difference) > _OTHER_OFFSET


def agreement_of(pair: PairSource) -> Agreement | None:
    """Compare the sides of a pair; None where there is too little to compare."""
    sides = pair.read(*_window(pair))
    blocks = (_BLOCK, _BLOCK * pair.scale)
    noisy, clean = (_map(*one) for one in zip(sides, blocks, strict=True))
    if min(noisy.shape) < _LEAST_BLOCKS or not (noisy.std() and clean.std()):
        return None
    correlation, best, shift = _correlated(noisy, clean)
    gain, offset, fit = _line(noisy, clean)
    is_of_frames = pair.shows[0] == pair.file
    return Agreement(
        noisy=pair.name,
        clean=_OTHERS if is_of_frames else "/".join(Path(pair.shows[0]).parts[-2:]),
        is_of_frames=is_of_frames,
        correlation=correlation,
        best=best,
        shift=(shift[0] * _BLOCK, shift[1] * _BLOCK),
        is_structured=_is_structured(noisy),
        gain=gain,
        offset=offset,
        fit=fit,
        difference=float(noisy.mean() - clean.mean()) / pair.mapping.scale,
    )


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
    return all(_alike(one, other) > _UNLIKE for one, other in steps)


def _alike(one: Map, other: Map) -> float:
    """Give the correlation; 0 where a side is all of one value."""
    deviations = [side - side.mean() for side in (one, other)]
    norms = [np.linalg.norm(side) for side in deviations]
    return float((deviations[0] * deviations[1]).sum() / (np.prod(norms) or 1.0))


def _line(noisy: Map, clean: Map) -> tuple[float, float, float]:
    """Fit ``noisy = gain * clean + offset``; also give how well it fits, 0 to 1."""
    coarse, target = _coarser(noisy), _coarser(clean)
    if target.std() <= _LEVEL_SHARE * clean.std():
        return 1.0, 0.0, 0.0
    fit = _alike(coarse, target)
    gain = fit * float(coarse.std() / target.std())
    return gain, float(coarse.mean() - gain * target.mean()), abs(fit)


def _coarser(side: Map) -> Map:
    rows, columns = (size // _COARSER * _COARSER for size in side.shape)
    means = reduce(
        side[:rows, :columns],
        "(y v) (x u) -> y x",
        "mean",
        v=_COARSER,
        u=_COARSER,
    )
    return np.asarray(means)
