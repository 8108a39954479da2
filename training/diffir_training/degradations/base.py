"""What every degradation is: a frozen config that turns a pair into a worse pair."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError

Image = NDArray[np.float32]
"""An image, or a stack of planes: float32, (channels, y, x)."""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] <= bounds[1]:
        raise ValueError(f"a range goes from low to high, not {bounds}")
    return bounds


def _some_weight(weights: tuple[float, ...]) -> tuple[float, ...]:
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"probabilities are >= 0 with one > 0, not {weights}")
    return weights


_Fraction = Annotated[float, Field(ge=0, le=1)]
_Correlation = Annotated[float, Field(ge=0, le=0.7)]
"""The kernel of three pixels that a scan smears by reaches the root of a half."""
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Range = Annotated[tuple[_Finite, _Finite], AfterValidator(_ordered)]
"""Lowest and highest value, both possible."""
PositiveRange = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
NonNegativeRange = Annotated[
    tuple[_NonNegative, _NonNegative], AfterValidator(_ordered)
]
FractionRange = Annotated[tuple[_Fraction, _Fraction], AfterValidator(_ordered)]
CorrelationRange = Annotated[
    tuple[_Correlation, _Correlation], AfterValidator(_ordered)
]
"""Of the noise of neighbours along one axis, both possible."""
CountRange = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]],
    AfterValidator(_ordered),
]
"""Lowest and highest whole number, both possible."""
ThreeWeights = Annotated[tuple[float, float, float], AfterValidator(_some_weight)]
SixWeights = Annotated[
    tuple[float, float, float, float, float, float], AfterValidator(_some_weight)
]


@dataclass(frozen=True, slots=True)
class Degraded:
    """A degraded image and what restoration should make of it, in the same units.

    Both are float32, (channels, y, x). `noisy` may be smaller than `clean` by a whole
    factor, and may have channels that `clean` lacks (the mask of inpainting).
    """

    noisy: Image
    clean: Image
    real: Image | None = None
    """What a discriminator takes for real, where `clean` was sharpened."""

    def changed(self, change: Callable[[Image], Image]) -> Degraded:
        """Give all images changed alike, as by software after an exposure."""
        real = None if self.real is None else change(self.real)
        return Degraded(change(self.noisy), change(self.clean), real)


class DegradationBase(FrozenConfig):
    """A degradation with the ranges it is drawn from, anew for every patch."""

    def apply(self, clean: Image, generator: np.random.Generator) -> Degraded:
        """Degrade a clean image of float32, (channels, y, x), which stays unchanged.

        The same config, image and generator state give the same result.
        """
        if clean.ndim != 3:
            raise InputError(
                f"An image of shape {clean.shape} cannot be degraded; it must have the "
                "axes (channels, y, x)."
            )
        clean = np.asarray(clean, dtype=np.float32)
        return self.degrade(Degraded(clean, clean), generator)

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes."""
        return 1

    def check_files(self) -> None:
        """Read the files that it needs, or say which cannot be read."""

    @abstractmethod
    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Worsen `noisy`, and bring the targets to its units: a step of a chain.

        What is `real` is kept, whatever becomes of `clean`.
        """


def pick(weights: Sequence[float], generator: np.random.Generator) -> int:
    """Draw an index with the probabilities that the weights stand for."""
    probabilities = np.asarray(weights, dtype=np.float64)
    return int(generator.choice(len(weights), p=probabilities / probabilities.sum()))


def draw_count(bounds: tuple[int, int], generator: np.random.Generator) -> int:
    """Draw a whole number of the range, both ends included."""
    return int(generator.integers(bounds[0], bounds[1] + 1))


def log_uniform(bounds: tuple[float, float], generator: np.random.Generator) -> float:
    """Draw a positive number uniformly on a logarithmic scale."""
    return float(np.exp(generator.uniform(*np.log(bounds))))
