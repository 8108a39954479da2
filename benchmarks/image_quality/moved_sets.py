"""Clean images with simulated noise that were moved afterwards, with empty borders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from image_quality.pairs import Pair
from image_quality.simulated_noise import eight_bit, simulated
from image_quality.simulated_sets import clean_variety

_Move = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_PHOTONS = 20.0
_BORDER_PX = 24


def simulated_moved(data: Path) -> Iterator[Pair]:
    """Yield the variety, of 20 photons, as registration and turning leave it.

    Moved by half a pixel along both axes, as sub-pixel registration does, and turned by
    twenty degrees, both by linear interpolation; what nothing is known of then is 0,
    below the black level. The reference went through the same.
    """
    for image, clean in clean_variety(data):
        for group, move in _MOVES.items():
            pair = simulated(f"{image}/moved/{group}", clean, _PHOTONS)
            noisy, reference = (
                move(side.astype(np.float64)) for side in (pair.noisy, pair.reference)
            )
            moved = replace(pair, noisy=eight_bit(noisy), reference=reference)
            yield replace(moved, group=group)


def _registered(image: NDArray[np.float64], border_px: int = 0) -> NDArray[np.float64]:
    moved = ndimage.shift(image, 0.5, order=1, mode="mirror")
    moved[:, :border_px] = moved[:border_px] = 0
    return np.asarray(moved)


def _turned(image: NDArray[np.float64]) -> NDArray[np.float64]:
    turned = ndimage.rotate(image, 20.0, reshape=False, order=1, cval=0.0)
    return np.asarray(turned)


_MOVES: dict[str, _Move] = {
    "registered": _registered,
    "registered, empty border": partial(_registered, border_px=_BORDER_PX),
    "turned, empty corners": _turned,
}
