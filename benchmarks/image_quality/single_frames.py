"""What a single frame of FMD has beside white noise, and no denoiser can know of.

Some frames are as a whole brighter or dimmer than the mean of 50 that they are compared
with: by the gain, the slope of the frame over its reference. A denoiser that removed
all of the noise and nothing else would have the PSNR of the last column.

The noise itself is what remains of a frame after its reference with that gain and
offset. It still holds structure where the specimen drifted; the difference of two such
remainders holds less, if the frames follow each other, as those of `fmd repeats` do.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from diffir_core import metrics
from image_quality.pairs import RANGE, Image, Pair
from image_quality.real_sets import fmd_mixed, fmd_repeats
from image_quality.tables import markdown


def single_frame_table(data: Path) -> Iterator[str]:
    """Yield autocorrelation at lag 1 and brightness of single frames, by field."""
    fields: dict[str, list[Pair]] = {}
    for title, pairs in (("mixed", fmd_mixed(data)), ("repeats", fmd_repeats(data))):
        for pair in pairs:
            fields.setdefault(f"fmd {title}, {pair.group}", []).append(pair)
    head = ["field", "lag 1, noise", "lag 1, noise - next", "gain of a frame"]
    rows = [[name, *_row(pairs)] for name, pairs in fields.items()]
    return markdown([*head, "PSNR without noise, dB"], rows)


def _row(pairs: list[Pair]) -> list[str]:
    gains, noiseless, noise = [], [], []
    for pair in pairs:
        gain, expected = _expected(pair)
        gains.append(gain)
        noiseless.append(metrics.psnr(expected, pair.reference, RANGE))
        noise.append(pair.noisy - expected)
    differences = [one - other for one, other in pairwise(noise)]
    return [
        f"{_lag1(noise):+.3f}",
        f"{_lag1(differences):+.3f}",
        f"{min(gains):.3f} to {max(gains):.3f}",
        f"{min(noiseless):.1f} to {max(noiseless):.1f}",
    ]


def _expected(pair: Pair) -> tuple[float, Image]:
    """Give the frame's gain, and its reference with that gain and its offset."""
    reference = pair.reference.astype(np.float64)
    gain, offset = np.polyfit(reference.ravel(), pair.noisy.ravel(), 1)
    return float(gain), gain * reference + offset


def _lag1(residuals: list[Image]) -> float:
    return float(np.mean([metrics.autocorrelation(r)[0] for r in residuals]))
