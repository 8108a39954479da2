"""Learning rates and patch sizes as pure functions of the step.

A step counts from 0: it is the number of optimiser steps already taken. The official
code counts iterations from 1, so its iteration i is step i - 1; where a rule of its
own divides the iteration number itself, that is a `start` of -1 here.

::

    rate |--.                 cosine         |--.         multistep, staircase
         |   '-.                             |  '---.
         +------'-- step                     +------'---- step
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffir_core._base import FrozenConfig

Rate = Annotated[float, Field(gt=0)]
Steps = Annotated[int, Field(ge=1)]


class ConstantRate(FrozenConfig):
    """The same learning rate at every step."""

    kind: Literal["constant"] = "constant"
    learning_rate: Rate

    def rate(self, step: int) -> float:
        """Give the learning rate; `step` makes no difference."""
        return self.learning_rate


class CosineRate(FrozenConfig):
    """A linear warm-up times half a cosine from one rate to another."""

    kind: Literal["cosine"] = "cosine"
    learning_rate: Rate = 4e-4
    final_learning_rate: Rate = 1e-6
    steps: Steps
    """Steps of the whole descent; the last one has the final rate, and keeps it."""
    warmup_steps: int = Field(100, ge=0)

    def rate(self, step: int) -> float:
        """Give the learning rate at `step`."""
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        progress = min(1.0, step / max(1, self.steps - 1))
        return warmup * _cosine(self.learning_rate, self.final_learning_rate, progress)


class MultiStepRate(FrozenConfig):
    """The rate is multiplied by gamma at each milestone."""

    kind: Literal["multistep"] = "multistep"
    learning_rate: Rate
    milestones: tuple[Steps, ...]
    """Rising steps, each the first one with its new rate."""
    gamma: float = Field(0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must rise from one to the next")
        return self

    def rate(self, step: int) -> float:
        """Give the learning rate at `step`."""
        return self.learning_rate * self.gamma ** bisect_right(self.milestones, step)


class StaircaseRate(FrozenConfig):
    """The rate is multiplied by gamma every so many steps."""

    kind: Literal["staircase"] = "staircase"
    learning_rate: Rate
    gamma: float = Field(0.5, gt=0, le=1)
    every: Steps
    start: int = Field(0, ge=-1)
    """The step from which stairs are counted; until then the rate is the first one."""

    def rate(self, step: int) -> float:
        """Give the learning rate at `step`."""
        stairs = max(0, step - self.start) // self.every
        return self.learning_rate * self.gamma**stairs


class CyclicCosineRate(FrozenConfig):
    """Half a cosine after another, each from the same rate to an end of its own.

    An end may lie above the start: that of the official deblur schedule does (2e-4 to
    2.85e-4), so that its rate rises over the first 92,000 steps, jumps back, and only
    then falls. That is the schedule in force, and is stated as such.
    """

    kind: Literal["cyclic_cosine"] = "cyclic_cosine"
    learning_rate: Rate
    periods: tuple[Steps, ...] = Field(min_length=1)
    """Steps of each half cosine."""
    final_learning_rates: tuple[Rate, ...] = Field(min_length=1)
    """The rate at the end of each; the last is kept afterwards."""

    @model_validator(mode="after")
    def _one_end_each(self) -> Self:
        if len(self.periods) != len(self.final_learning_rates):
            raise ValueError("every period needs one final learning rate")
        return self

    def rate(self, step: int) -> float:
        """Give the learning rate at `step`; a period's last step has its end rate."""
        start = 0
        for period, end in zip(self.periods, self.final_learning_rates, strict=True):
            if step <= start + period:
                return _cosine(self.learning_rate, end, (step - start) / period)
            start += period
        return self.final_learning_rates[-1]


Schedule = Annotated[
    ConstantRate | CosineRate | MultiStepRate | StaircaseRate | CyclicCosineRate,
    Field(discriminator="kind"),
]
"""Any of them, told apart by `kind`."""


class ProgressiveSizes(FrozenConfig):
    """Patches that grow during training while batches shrink (Restormer, section 4)."""

    iterations: tuple[Steps, ...] = Field(min_length=1)
    """Steps with each size; the last size is kept afterwards."""
    patch_sizes: tuple[Annotated[int, Field(ge=8, multiple_of=8)], ...]
    """Height and width of a patch, in pixels."""
    batch_sizes: tuple[Steps, ...]
    """Patches per step."""

    @model_validator(mode="after")
    def _same_lengths(self) -> Self:
        lengths = {
            len(part) for part in (self.iterations, self.patch_sizes, self.batch_sizes)
        }
        if len(lengths) != 1:
            raise ValueError("iterations, patch_sizes and batch_sizes must pair up")
        return self

    def at(self, step: int) -> tuple[int, int]:
        """Give patch size in pixels and batch size at `step`."""
        stretch = bisect_right(list(accumulate(self.iterations)), step)
        stretch = min(stretch, len(self.iterations) - 1)
        return self.patch_sizes[stretch], self.batch_sizes[stretch]


def _cosine(start: float, end: float, progress: float) -> float:
    """Go from `start` to `end` along half a cosine; `progress` is 0 .. 1."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


OFFICIAL_SCHEDULES: dict[str, Schedule] = {
    "deblur stage 1": CyclicCosineRate(
        learning_rate=2e-4,
        periods=(92_000, 208_000),
        final_learning_rates=(2.85e-4, 1e-6),
    ),
    "deblur estimation": StaircaseRate(
        learning_rate=2e-4, gamma=0.1, every=60_000, start=-1
    ),
    "deblur joint": StaircaseRate(learning_rate=2e-4, every=80_000),
    "sr": MultiStepRate(learning_rate=2e-4, milestones=(500_000, 700_000)),
    "realsr estimation": StaircaseRate(
        learning_rate=2e-4, gamma=0.1, every=60_000, start=-1
    ),
    "realsr joint": StaircaseRate(learning_rate=2e-4, every=600_000),
    "srgan adversarial": MultiStepRate(learning_rate=2e-4, milestones=(200_000,)),
    "srgan discriminator": MultiStepRate(learning_rate=1e-4, milestones=(200_000,)),
    "realsr adversarial": StaircaseRate(learning_rate=1e-4, every=300_000, start=-1),
    "realsr discriminator": ConstantRate(learning_rate=1e-4),
    "inpainting": ConstantRate(learning_rate=2e-4),
    "inpainting discriminator": ConstantRate(learning_rate=1e-4),
}
"""The official rates in force, each counted from the first step of its own stage."""

_DEBLUR_PATCHES = dict(
    patch_sizes=(192, 256, 320, 384, 464, 512), batch_sizes=(8, 4, 2, 2, 1, 1)
)
DEBLUR_SIZES: dict[str, ProgressiveSizes] = {
    "stage 1": ProgressiveSizes.parse(
        dict(iterations=(92_000, 80_000, 38_000, 33_000, 33_000, 24_000))
        | _DEBLUR_PATCHES
    ),
    "stage 2": ProgressiveSizes.parse(
        dict(iterations=(150_000, 60_000, 50_000, 60_000, 40_000, 40_000))
        | _DEBLUR_PATCHES
    ),
}
"""The official deblur sizes, per device; stage 2 counts both its phases as one."""
