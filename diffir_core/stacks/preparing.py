"""What must be known of a whole stack before its first plane is restored."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.planes import DiscardedPlane, readable_plane
from diffir_core.stacks.source import StackSource

_ATTENTION_PLANES = 16
_SAMPLED_PLANES = 64
_SAMPLED_VALUES = 100_000
_KINDS = "uif"
_EXACT_INTEGERS = 2**53
_LEAST_STEPS = 2**16


def fit_mappings(
    source: StackSource, planes: list[PlaneIndex], options: RestoreOptions
) -> dict[int | None, IntensityMapping]:
    """Fit one intensity mapping a channel to planes spread over the whole stack."""
    return {
        channel: fit_mapping(sample_values(source, members), options.intensity)
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


def sample_values(source: StackSource, planes: list[PlaneIndex]) -> NDArray[Any]:
    """Give values of planes spread evenly, every so many pixels: bounded memory."""
    return exhaust(sample_values_steps(source, planes))


def sample_values_steps(
    source: StackSource, planes: list[PlaneIndex]
) -> Generator[float, None, NDArray[Any]]:
    """Do as `sample_values` does, and yield after each plane."""
    samples = []
    for plane in sampled_planes(planes):
        values = read_plane(source, plane)
        step = sampling_step(values.size, values.shape[-1])
        samples.append(values.ravel()[::step].copy())  # A view would keep the plane.
        yield 0.0
    return np.concatenate(samples)


def sampling_step(values: int, width: int) -> int:
    """Give every how many pixels one is looked at, so that all columns are met."""
    step = max(1, values // _SAMPLED_VALUES)
    while gcd(step, width) > 1:
        step += 1
    return step


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


def stack_ipr(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
) -> IPR:
    """Give the IPR of CPEN's features averaged over planes, as if they were one.

    Of a long stack, 64 planes, evenly spread, speak for all.
    """
    return exhaust(stack_ipr_steps(source, planes, restorer, mapping))


def stack_ipr_steps(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
) -> Generator[float, None, IPR]:
    """Do as `stack_ipr` does, and yield after each panel."""
    features = []
    planes = sampled_planes(planes)
    for plane in planes:
        values = inside(read_plane(source, plane), restorer.options.region)
        tiles = readable_plane(values, mapping, restorer.config)
        features += yield from restorer.features([tiles])
    mean = np.mean(np.asarray(features, np.float64), axis=0).astype(np.float32)
    return restorer.ipr_from(mean, f"{len(planes)} planes")


def inside(
    values: NDArray[Any], region: tuple[int, int, int, int] | None
) -> NDArray[Any]:
    """Give the region of a plane (channels, Y, X), or all of it."""
    if region is None:
        return values
    top, bottom, left, right = region
    height, width = values.shape[1:]
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(
            f"Region {region} is not inside the plane of {height} x {width}; give "
            "(first row, row after the last, first column, column after the last)."
        )
    return values[:, top:bottom, left:right]


def stack_attention(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
    ipr: IPR,
) -> dict[str, Tensor]:
    """Give the attention of at most 16 planes, evenly spread, taken as one image."""
    return exhaust(stack_attention_steps(source, planes, restorer, mapping, ipr))


def stack_attention_steps(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mapping: IntensityMapping,
    ipr: IPR,
) -> Generator[float, None, dict[str, Tensor]]:
    """Do as `stack_attention` does, and yield after each plane read and each strip."""
    jobs = []
    for plane in spread(planes, _ATTENTION_PLANES):
        values = read_plane(source, plane)
        discarded = DiscardedPlane(values, mapping, restorer.config)
        jobs.append(restorer.job(discarded.plane, ipr))
        yield 0.0
    yield from restorer.restore(jobs, joint=True)
    return jobs[0].attention


def sampled_planes(planes: list[PlaneIndex]) -> list[PlaneIndex]:
    """Give the planes that speak for all: at most 64, evenly spread."""
    return spread(planes, _SAMPLED_PLANES)


def spread(planes: list[PlaneIndex], count: int) -> list[PlaneIndex]:
    """Give at most `count` of the planes, evenly spread."""
    count = min(len(planes), count)
    return [planes[i * len(planes) // count] for i in range(count)]


def read_plane(source: StackSource, plane: PlaneIndex) -> NDArray[Any]:
    """Read a plane, (channels, Y, X), and refuse values that are not finite."""
    values = source.read(plane)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        nan, inf = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        where = ", ".join(f"{axis}={i}" for axis, i in plane.position)
        raise InputError(
            f"The image has {nan} NaN and {inf} infinite values"
            f"{f' at {where}' if where else ''}; replace them with finite ones."
        )
    if values.dtype.kind in "ui" and values.dtype.itemsize == 8:
        _check_digits(values)
    return values


def _check_digits(values: NDArray[Any]) -> None:
    """Refuse integers whose differences are lost in float64, which maps intensities."""
    low, high = int(values.min()), int(values.max())
    rounding = max(-low, high) / _EXACT_INTEGERS
    if rounding > 1 and high - low < _LEAST_STEPS * rounding:
        raise InputError(
            f"The values lie between {low} and {high}, and beyond 2^53 such small "
            "differences would be lost; take off what they have in common."
        )


def restorer_of_images(
    model: Model, options: RestoreOptions, threads: int | None = None
) -> Restorer:
    """Give a restorer, or say why this model cannot restore plain images."""
    if model.config.architecture == "inpainting":
        raise InputError(
            f"'{model.name}' fills masked regions and needs a mask; this version "
            "restores with deblur and super-resolution models."
        )
    return Restorer(model, options, threads)


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse types that are neither integers nor floats."""
    if dtype.kind not in _KINDS:
        raise InputError(
            f"Images of type {dtype} cannot be restored; use integers or floats."
        )
