"""Groups of planes, and what those of one share: an IPR, and perhaps attention."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.blanks import is_empty
from diffir_core.stacks.planes import DiscardedPlane, readable_plane
from diffir_core.stacks.reading import inside, read_plane
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.subsampling import sampled_planes, spread

_ATTENTION_PLANES = 16

Found = TypeVar("Found")
Group = tuple[int | None, int | None]
"""Channel and time point; None where it does not matter."""


def time_of(plane: PlaneIndex) -> int | None:
    """Give the time point of a plane, if the stack has an axis T."""
    return dict(plane.position).get("T")


@dataclass(frozen=True)
class Shared:
    """What the planes of a group have in common; None where each has its own."""

    ipr: IPR | None = None
    attention: dict[str, Tensor] | None = None


def group_of(plane: PlaneIndex, options: RestoreOptions) -> Group:
    """Give the group whose planes are restored under one IPR, if they share any."""
    if options.ipr is not None or options.ipr_scope != "time":
        return plane.channel, None
    time = time_of(plane)
    if time is None:
        raise InputError(
            f"ipr_scope 'time' needs an axis T, and the axes are {plane.axes}; "
            "choose 'stack' or 'plane', or name the axes."
        )
    return plane.channel, time


def shared_by_group_steps(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mappings: dict[int | None, IntensityMapping],
) -> Generator[float, None, dict[Group, Shared]]:
    """Give what the planes of each group share, as the options ask for."""
    options = restorer.options
    if options.ipr is None and options.ipr_scope == "plane":
        return {(channel, None): Shared() for channel in mappings}
    groups: dict[Group, list[PlaneIndex]] = {}
    for plane in planes:
        groups.setdefault(group_of(plane, options), []).append(plane)
    found = {}
    for group, members in groups.items():
        mapping = mappings[group[0]]
        ipr = options.ipr
        if ipr is None:
            ipr = yield from stack_ipr_steps(source, members, restorer, mapping)
        attention = None
        if options.attention_scope == "stack":
            attention = yield from stack_attention_steps(
                source, members, restorer, mapping, ipr
            )
        found[group] = Shared(ipr, attention)
    return found


def stack_ipr(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
) -> IPR:
    """Give the IPR of CPEN's features averaged over planes, as if they were one.

    Of a long stack, 64 planes, evenly spread, speak for all; empty ones say nothing,
    unless all are.
    """
    return exhaust(stack_ipr_steps(source, planes, restorer, mapping))


def stack_ipr_steps(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
) -> Generator[float, None, IPR]:
    """Do as `stack_ipr` does, and yield after each panel."""
    found = []
    planes = sampled_planes(planes)
    for plane in planes:
        values = inside(read_plane(source, plane), restorer.options.region)
        tiles = readable_plane(values, mapping, restorer.config)
        (features,) = yield from restorer.features([tiles])
        found.append((features, is_empty(values, mapping)))
    mean = np.mean(np.asarray(telling(found), np.float64), axis=0).astype(np.float32)
    return restorer.ipr_from(mean, f"{len(planes)} planes")


def telling(found: Iterable[tuple[Found, bool]]) -> list[Found]:
    """Give what planes say that are not empty, or all say if all are."""
    pairs = list(found)
    return [one for one, empty in pairs if not empty] or [one for one, _ in pairs]


def stack_attention(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
    ipr: IPR,
) -> dict[str, Tensor]:
    """Give the attention of at most 16 planes, evenly spread, taken as one image.

    Empty ones are no part of it, unless all are.
    """
    return exhaust(stack_attention_steps(source, planes, restorer, mapping, ipr))


def stack_attention_steps(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
    ipr: IPR,
) -> Generator[float, None, dict[str, Tensor]]:
    """Do as `stack_attention` does, and yield after each plane read and each strip."""
    found = []
    for plane in spread(planes, _ATTENTION_PLANES):
        values = read_plane(source, plane)
        discarded = DiscardedPlane(values, mapping, restorer.config)
        found.append((restorer.job(discarded.plane, ipr), is_empty(values, mapping)))
        yield 0.0
    jobs = telling(found)
    yield from restorer.restore(jobs, joint=True)
    return jobs[0].attention
