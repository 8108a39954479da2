"""What is global about a stack: measured once, the same for every plane and worker."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.groups import Group, Shared, shared_by_group_steps, time_of
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.subsampling import (
    by_channel,
    take_sample,
    take_sample_steps,
)
from diffir_core.stacks.units import checksum, decode_vector, encode_vector


@dataclass(frozen=True)
class StackStatistics:
    """Intensity mappings, and what the planes of a channel or time point share."""

    mappings: dict[int | None, IntensityMapping]
    shared: dict[Group, Shared]
    samples: dict[int | None, int]
    """Checksum of the values that each mapping was fitted to."""

    def shared_of(self, plane: PlaneIndex) -> Shared:
        """Give what a plane shares with others."""
        group = (plane.channel, time_of(plane))
        return self.shared.get(group) or self.shared[plane.channel, None]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, exactly."""
        return {
            "channels": [self._channel(channel) for channel in self.mappings],
            "groups": [_group(*item) for item in self.shared.items()],
        }

    def _channel(self, channel: int | None) -> dict[str, Any]:
        return {
            "channel": channel,
            **self.mappings[channel].to_dict(),
            "sample": self.samples[channel],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the plain values of `to_dict`."""
        channels = values["channels"]
        return cls(
            {c["channel"]: IntensityMapping.from_dict(c) for c in channels},
            {(g["channel"], g["time"]): _shared(g) for g in values["groups"]},
            {c["channel"]: int(c["sample"]) for c in channels},
        )


def _group(group: Group, shared: Shared) -> dict[str, Any]:
    return {
        "channel": group[0],
        "time": group[1],
        "ipr": shared.ipr.to_dict() if shared.ipr else None,
        "attention": _encode(shared.attention),
    }


def _shared(group: Mapping[str, Any]) -> Shared:
    ipr = group["ipr"]
    return Shared(IPR.from_dict(ipr) if ipr else None, _decode(group["attention"]))


def _encode(attention: Mapping[str, Tensor] | None) -> dict[str, Any] | None:
    if attention is None:
        return None
    return {
        name: {
            "shape": list(matrix.shape),
            "values": encode_vector(matrix.float().cpu().numpy().ravel()),
        }
        for name, matrix in attention.items()
    }


def _decode(attention: Mapping[str, Any] | None) -> dict[str, Tensor] | None:
    if attention is None:
        return None
    return {
        name: torch.from_numpy(decode_vector(m["values"])).reshape(m["shape"])
        for name, m in attention.items()
    }


def measure(
    source: StackSource, planes: list[PlaneIndex], restorer: Restorer
) -> StackStatistics:
    """Measure a stack in one cheap pass over at most 64 planes a channel.

    With an IPR for each time point, over as many of each.
    """
    return exhaust(measure_steps(source, planes, restorer))


def measure_steps(
    source: StackSource, planes: list[PlaneIndex], restorer: Restorer
) -> Generator[float, None, StackStatistics]:
    """Do as `measure` does, and yield often enough to be paused or closed at once."""
    mappings, samples = {}, {}
    for channel, members in by_channel(planes).items():
        sample = yield from take_sample_steps(source, members)
        mappings[channel] = sample.mapping(
            restorer.options, negative=restorer.settled.negative
        )
        samples[channel] = checksum(sample.values)
    shared = yield from shared_by_group_steps(source, planes, restorer, mappings)
    return StackStatistics(mappings, shared, samples)


def sample_checksums(
    source: StackSource, planes: list[PlaneIndex]
) -> dict[int | None, int]:
    """Give the checksums of `StackStatistics.samples`, to compare."""
    return {
        channel: checksum(take_sample(source, members).values)
        for channel, members in by_channel(planes).items()
    }


def mean_norm(vectors: list[np.ndarray[Any, Any]]) -> float:
    """Give the mean Euclidean length of vectors; 0 if there are none."""
    norms = [float(np.linalg.norm(vector)) for vector in vectors]
    return float(np.mean(norms)) if norms else 0.0
