"""What images gain by being restored as their negatives, by how bright their median is.

    python benchmarks/negatives.py [--data DIR] [--model fluo-denoise] [--limit N]

The clean images of `simulated variety`, of 8, 40 and 200 photons at the brightest: as
they are, saturated until fields are full, as dyes that absorb transmitted light, and
inverted. The median is told as a fraction of the range from the 1st percentile of the
noisy image to its 99.8th.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from image_quality.pairs import Image
from image_quality.simulated_noise import stretched
from image_quality.tables import markdown
from image_quality.variety_command import model_and_images
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.metrics import psnr
from diffir_core.model import Model

PHOTONS = (8.0, 40.0, 200.0)
_COUNTS_PER_PHOTON = 4.0
_BLACK_LEVEL = 40.0
_READ_COUNTS = 4.0
BINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
"""Of the median."""

_Look = Callable[[NDArray[np.float64]], NDArray[np.float64]]
LOOKS: dict[str, _Look] = {
    "as they are": lambda light: light,
    "full": lambda light: 1 - np.exp(-2 * light),
    "fuller": lambda light: 1 - np.exp(-6 * light),
    "thin dyes": lambda light: np.exp(-0.5 * np.minimum(light, 2)),
    "dyes": lambda light: np.exp(-1.5 * np.minimum(light, 2)),
    "dense dyes": lambda light: np.exp(-3 * np.minimum(light, 2)),
}
"""What becomes of the light of an image, 1 being its brightest."""


def main() -> None:
    """Print the gain by median, as a table."""
    model, images = model_and_images(__doc__)
    found = [gain for name, clean in images for gain in gains(name, clean, model)]
    for line in table(np.array(found)):
        print(line)


def gains(name: str, clean: Image, model: Model) -> Iterator[tuple[float, float]]:
    """Yield median and gain (dB) of the negative, for each look and noise."""
    for photons in PHOTONS:
        for look, change in LOOKS.items():
            rng = np.random.default_rng(zlib.crc32(f"{name}/{look}".encode()))
            light = change(stretched(clean)) * photons
            seen = _COUNTS_PER_PHOTON * rng.poisson(light) + _BLACK_LEVEL
            noisy = np.rint(seen + _READ_COUNTS * rng.standard_normal(light.shape))
            truth = _COUNTS_PER_PHOTON * light + _BLACK_LEVEL
            yield _gain(noisy, truth, model)
            if look == "as they are":
                yield _gain(-noisy, -truth, model)


def _gain(
    noisy: NDArray[np.float64], truth: NDArray[np.float64], model: Model
) -> tuple[float, float]:
    as_is, negative = (
        psnr(_restored(noisy, model, negative=negative), truth, float(np.ptp(truth)))
        for negative in (False, True)
    )
    low, median, high = np.percentile(noisy, (1.0, 50.0, 99.8))
    return float((median - low) / (high - low)), negative - as_is


def _restored(noisy: NDArray[np.float64], model: Model, *, negative: bool) -> Image:
    options = diffir.RestoreOptions(negative=negative, output_dtype="float32")
    return diffir.restore(noisy.astype(np.float32), model, axes="YX", options=options)


def table(found: NDArray[np.float64]) -> Iterator[str]:
    """Yield a line for each range of the median, as Markdown."""
    medians, gained = found.T
    lines = []
    for low, high in pairwise(BINS):
        inside = gained[(medians >= low) & (medians < high)]
        if inside.size:
            figures = (inside.mean(), inside.min(), inside.max())
            shown = (f"{figure:+.2f}" for figure in figures)
            lines.append([f"{low:g} to {high:g}", str(inside.size), *shown])
    return markdown(["median", "images", "mean gain, dB", "least", "most"], lines)


if __name__ == "__main__":
    main()
