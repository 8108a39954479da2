"""What rounding to the type of the input costs where it has few grey levels.

    python benchmarks/grey_levels.py [--data DIR] [--model fluo-denoise] [--limit N]

The clean images of `simulated variety`, with 30 photons at the brightest and a photon
of read noise, are written as 8 bits, a level for so many photons: as photon counters
do, or whoever saves dim images of 12 bits. PSNR is of the range of the clean image,
which is not rounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from image_quality.pairs import Image
from image_quality.simulated_noise import eight_bit, stretched
from image_quality.tables import markdown
from image_quality.variety_command import model_and_images
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.metrics import psnr
from diffir_core.model import Model

PHOTONS = 30.0
BLACK_LEVEL = 2.0
PHOTONS_OF_A_LEVEL = (0.25, 0.5, 1.0, 2.0, 4.0)
TYPES = (None, "float32")


def main() -> None:
    """Print the mean PSNR by levels, as a table."""
    model, images = model_and_images(__doc__)
    rows = [scores(name, clean, model) for name, clean in images]
    for line in table(np.mean(rows, axis=0)):
        print(line)


def scores(name: str, clean: Image, model: Model) -> NDArray[np.float64]:
    """Give the PSNR (dB) of an image by level: noisy, and restored as either type."""
    light = stretched(clean) * PHOTONS
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    seen = rng.poisson(light) + rng.standard_normal(light.shape)
    found = []
    for photons in PHOTONS_OF_A_LEVEL:
        noisy = eight_bit(seen / photons + BLACK_LEVEL)
        truth, span = light / photons + BLACK_LEVEL, PHOTONS / photons
        found.append([psnr(one, truth, span) for one in (noisy, *_each(noisy, model))])
    return np.array(found)


def _each(noisy: Image, model: Model) -> Iterator[Image]:
    for dtype in TYPES:
        options = diffir.RestoreOptions(output_dtype=dtype)
        yield diffir.restore(noisy, model, axes="YX", options=options)


def table(means: NDArray[np.float64]) -> Iterator[str]:
    """Yield a line for each number of levels, as Markdown."""
    head = ["levels to the brightest", "noisy, dB", "restored to 8 bits", "to float32"]
    lines = (
        [f"{PHOTONS / photons:g}", *(f"{value:.2f}" for value in row)]
        for photons, row in zip(PHOTONS_OF_A_LEVEL, means, strict=True)
    )
    return markdown(head, lines)


if __name__ == "__main__":
    main()
