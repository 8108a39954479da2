"""How the noise itself is correlated, by two estimates that err differently.

``noisy - reference`` holds structure where the specimen drifted during the mean of 50
frames; the difference of two frames holds none if they follow each other, as those of
`fmd repeats` do, and some if they are far apart in time, as those of `fmd mixed` are.
What the noise has is at most the smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from diffir_core import metrics
from image_quality.sets import Image, Pair, fmd_mixed, fmd_repeats
from image_quality.tables import markdown


def noise_lag_table(data: Path) -> Iterator[str]:
    """Yield the autocorrelation of the noise at lag 1, by field."""
    fields: dict[str, list[Pair]] = {}
    for title, pairs in (("mixed", fmd_mixed(data)), ("repeats", fmd_repeats(data))):
        for pair in pairs:
            fields.setdefault(f"fmd {title}, {pair.group}", []).append(pair)
    rows = [
        [name, f"{_of_frames(pairs):+.3f}", f"{_of_reference(pairs):+.3f}"]
        for name, pairs in fields.items()
    ]
    return markdown(["field", "frame - next frame", "noisy - reference"], rows)


def _of_frames(pairs: list[Pair]) -> float:
    frames = [pair.noisy.astype(np.float64) for pair in pairs]
    return _lag1([one - other for one, other in pairwise(frames)])


def _of_reference(pairs: list[Pair]) -> float:
    return _lag1([pair.noisy.astype(np.float64) - pair.reference for pair in pairs])


def _lag1(residuals: list[Image]) -> float:
    return float(np.mean([metrics.autocorrelation(r)[0] for r in residuals]))
