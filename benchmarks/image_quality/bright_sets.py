"""Images whose background is bright: transmitted light, and inverted fluorescence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from image_quality.pairs import RANGE, Pair
from image_quality.simulated_noise import simulated, stretched
from image_quality.simulated_sets import clean_variety

_ABSORPTION = 1.5
"""Of the brightest of an image, as the logarithm of the light that it takes away."""


def simulated_bright(data: Path) -> Iterator[Pair]:
    """Yield the variety with a bright background.

    Of 40 photons at the brightest, inverted after the exposure; and as dyes that absorb
    what they emitted, in transmitted light of 40 photons.
    """
    for image, clean in clean_variety(data):
        pair = simulated(f"{image}/bright/inverted", clean)
        inverted = replace(pair, noisy=RANGE - pair.noisy, group="inverted")
        yield replace(inverted, reference=RANGE - pair.reference)
        light = np.exp(-_ABSORPTION * np.minimum(stretched(clean), 2.0))
        pair = simulated(f"{image}/bright/transmitted", light)
        yield replace(pair, group="transmitted light")
