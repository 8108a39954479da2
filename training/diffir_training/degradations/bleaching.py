"""Fluorescence that fades from plane to plane of a stack or movie."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from diffir_training.degradations.base import DegradationBase, Degraded, FractionRange


def _above_zero(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] <= 0:
        raise ValueError(f"an exponential leaves more than 0, not {bounds}")
    return bounds


class Bleaching(DegradationBase):
    """Exponential bleaching along the first axis of an (n, y, x) stack.

    The background, 0, stays 0; the target keeps the brightness of the first plane. It
    is for stacks that are degraded whole, from Python: a patch of one channel, as a
    recipe draws it, has one plane and stays as it is.
    """

    kind: Literal["bleaching"] = "bleaching"
    remaining: Annotated[FractionRange, AfterValidator(_above_zero)] = (0.3, 0.95)
    """Brightness of the last plane as a fraction of that of the first."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Dim the planes of `noisy`; a single plane stays as it is."""
        remaining = generator.uniform(*self.remaining)
        factors = bleaching_factors(len(pair.noisy), remaining).astype(np.float32)
        return replace(pair, noisy=pair.noisy * factors[:, None, None])


def bleaching_factors(count: int, remaining: float) -> NDArray[np.float64]:
    """Give the brightness of each of `count` planes: 1 first, `remaining` last.

    Every plane loses the same fraction of what was left: remaining^(i / (count - 1)).
    """
    return remaining ** (np.arange(count) / max(count - 1, 1))
