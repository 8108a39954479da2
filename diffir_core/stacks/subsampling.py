"""The planes and pixels that speak for a whole stack, so that little of it is read."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.workers import exhaust
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.settled import settle
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.reading import read_plane
from diffir_core.stacks.source import StackSource

_SAMPLED_PLANES = 64
_SAMPLED_VALUES = 100_000
_VALUES_OF_LINES = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What speaks for the values of a channel, of planes spread over the stack."""

    values: NDArray[Any]
    """Every so many pixels."""
    lines: NDArray[Any]
    """Some rows, whole: what lies side by side."""

    def mapping(
        self, options: RestoreOptions, *, negative: bool | None
    ) -> IntensityMapping:
        """Fit the intensity mapping of the channel."""
        return fit_mapping(self.values, options.intensity, negative, self.lines)


def fit_mappings(
    source: StackSource,
    planes: list[PlaneIndex],
    model: Model,
    options: RestoreOptions,
) -> dict[int | None, IntensityMapping]:
    """Fit one intensity mapping a channel to planes spread over the whole stack."""
    negative = settle(model.card, options).negative
    return {
        channel: take_sample(source, members).mapping(options, negative=negative)
        for channel, members in by_channel(planes).items()
    }


def by_channel(
    planes: list[PlaneIndex],
) -> dict[int | None, list[PlaneIndex]]:
    """Sort planes by the channel whose mapping they take."""
    channels: dict[int | None, list[PlaneIndex]] = {}
    for plane in planes:
        channels.setdefault(plane.channel, []).append(plane)
    return channels


def take_sample(source: StackSource, planes: list[PlaneIndex]) -> Sample:
    """Give values of planes spread evenly: bounded memory."""
    return exhaust(take_sample_steps(source, planes))


def take_sample_steps(
    source: StackSource, planes: list[PlaneIndex]
) -> Generator[float, None, Sample]:
    """Do as `take_sample` does, and yield after each plane."""
    samples, lines = [], []
    for plane in sampled_planes(planes):
        values = read_plane(source, plane)
        step = sampling_step(values.size, values.shape[-1])
        samples.append(values.ravel()[::step].copy())  # A view would keep the plane.
        lines.append(some_lines(values).copy())
        yield 0.0
    return Sample(np.concatenate(samples), np.concatenate(lines))


def some_lines(values: NDArray[Any]) -> NDArray[Any]:
    """Give a view of rows that are evenly spread over all channels, (n, X)."""
    rows = values.reshape(-1, values.shape[-1])
    step = -(-len(rows) // max(1, _VALUES_OF_LINES // rows.shape[1]))
    return rows[step // 2 :: step]


def sampling_step(values: int, width: int) -> int:
    """Give every how many pixels one is looked at, so that all columns are met."""
    step = max(1, values // _SAMPLED_VALUES)
    while gcd(step, width) > 1:
        step += 1
    return step


def sampled_planes(planes: list[PlaneIndex]) -> list[PlaneIndex]:
    """Give the planes that speak for all: at most 64, evenly spread."""
    return spread(planes, _SAMPLED_PLANES)


def spread(planes: list[PlaneIndex], count: int) -> list[PlaneIndex]:
    """Give at most `count` of the planes, evenly spread."""
    count = min(len(planes), count)
    return [planes[i * len(planes) // count] for i in range(count)]
