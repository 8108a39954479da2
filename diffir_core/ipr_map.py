"""A map of many IPRs: which planes are alike, and which stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.ipr import IPR

Vector = NDArray[np.float64]

OUTLYING = 3.5
"""A score above which an IPR is called an outlier (Iglewicz and Hoaglin, 1993)."""
_MEDIAN_TO_SIGMA = 1.4826
_MEAN_TO_SIGMA = 1.2533
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class IPRMap:
    """Where n IPRs lie to each other, and how unlike the others each one is."""

    coordinates: Vector
    """(n, 2): the first two principal components, about the mean."""
    explained: tuple[float, float]
    """Share of the variance along each of them, 0 to 1."""
    scores: Vector
    """(n,): distance from the median IPR, in robust standard deviations of it."""

    @property
    def outliers(self) -> list[int]:
        """Indices of the IPRs that stand out, the farthest first."""
        order = np.argsort(-self.scores)
        return [int(i) for i in order if self.scores[i] > OUTLYING]


def ipr_map(iprs: Sequence[IPR]) -> IPRMap:
    """Lay IPRs of one model out in a plane, by principal components."""
    if not iprs:
        raise ValueError("a map needs an IPR")
    if len({ipr.model for ipr in iprs}) > 1:
        raise InputError(
            "These IPRs belong to different models; extract all with one model."
        )
    vectors = np.stack([ipr.vector for ipr in iprs]).astype(np.float64)
    coordinates, explained = _principal(vectors)
    return IPRMap(coordinates, explained, _scores(vectors))


def _principal(vectors: Vector) -> tuple[Vector, tuple[float, float]]:
    """Give (n, 2) coordinates, whose signs do not depend on the machine."""
    off = vectors - vectors.mean(axis=0)
    left, sizes, axes = np.linalg.svd(off, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    all_of = left * (sizes * signs)
    coordinates = np.zeros((len(vectors), 2))
    kept = min(2, all_of.shape[1])
    coordinates[:, :kept] = all_of[:, :kept]
    shares = np.zeros(2)
    shares[:kept] = sizes[:kept] ** 2 / max(float((sizes**2).sum()), 1e-300)
    return coordinates, (float(shares[0]), float(shares[1]))


def _scores(vectors: Vector) -> Vector:
    """Give how much farther than usual each vector is from their median.

    Median and median deviation, unlike mean and standard deviation, do not follow the
    outliers that are looked for.
    """
    distances = np.linalg.norm(vectors - np.median(vectors, axis=0), axis=1)
    off = distances - np.median(distances)
    spread = _MEDIAN_TO_SIGMA * float(np.median(np.abs(off)))
    if spread == 0:  # More than half are equal.
        spread = _MEAN_TO_SIGMA * float(np.abs(off).mean())
    least = _ROUNDING * float(np.linalg.norm(vectors, axis=1).mean())
    return np.asarray(off / max(spread, least, 1e-300), np.float64)
