"""IPRs: of all planes, of a region, of each time point."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.groups import stack_ipr
from diffir_core.stacks.reading import (
    check_dtype,
    check_request,
    restorer_of_images,
)
from diffir_core.stacks.source import ArraySource, StackSource, open_source
from diffir_core.stacks.subsampling import by_channel, fit_mappings


def extract_ipr(
    image: Any,
    model: Model,
    *,
    axes: str,
    seed: int | None = None,
    options: RestoreOptions | None = None,
) -> IPR:
    """Estimate the IPR of an image; of a stack, that of all its planes together.

    Parameters
    ----------
    image
        Array-like of real numbers, of one channel.
    model
        A stage-2 model.
    axes
        One letter a dimension, such as ``"YX"`` or ``"ZYX"``.
    seed
        Of the start noise; None is that of the options.
    options
        Its steps, strength, region, intensity and device hold.
    """
    check_request(model, options)
    chosen = _seeded(options, seed)
    source = ArraySource(image, axes)
    planes = source.layout.planes(model.config.image_channels)
    ipr = _extracted(source, planes, model, chosen)
    return replace(ipr, source=f"{axes} image of shape {source.shape}{_where(chosen)}")


def extract_ipr_of_file(
    path: str | Path,
    model: Model,
    *,
    axes: str | None = None,
    channel: int | None = None,
    options: RestoreOptions | None = None,
) -> IPR:
    """Estimate the IPR of an image file, plane by plane.

    Parameters
    ----------
    path
        Whatever `restore_file` reads.
    axes
        One letter a dimension; None is what the file says.
    channel
        Which channel, counted from 0, if there are several.
    """
    check_request(model, options)
    chosen = options or RestoreOptions()
    with closing(open_source(path, axes)) as source:
        planes = source.layout.planes(model.config.image_channels)
        if channel is not None and (channel, planes[0].channel) != (0, None):
            planes = _of_channel(planes, channel)
        ipr = _extracted(source, planes, model, chosen)
    place = "" if channel is None else f", channel {channel}"
    return replace(ipr, source=f"{Path(path).name}{place}{_where(chosen)}")


def _of_channel(planes: list[PlaneIndex], channel: int) -> list[PlaneIndex]:
    found = by_channel(planes)
    if channel not in found:
        there = [0] if None in found else sorted(found, key=str)
        raise InputError(
            f"There is no channel {channel}; the image has {there}, counted from 0."
        )
    return found[channel]


def _extracted(
    source: StackSource, planes: list[PlaneIndex], model: Model, options: RestoreOptions
) -> IPR:
    check_dtype(source.dtype)
    if len(by_channel(planes)) != 1:
        raise InputError(
            f"An IPR belongs to one channel, and the image has "
            f"{len(by_channel(planes))}; choose one of them."
        )
    restorer = restorer_of_images(model, options)
    mapping = fit_mappings(source, planes, model, options)[planes[0].channel]
    return stack_ipr(source, planes, restorer, mapping)


def _seeded(options: RestoreOptions | None, seed: int | None) -> RestoreOptions:
    chosen = options or RestoreOptions()
    return chosen if seed is None else chosen.replace(seed=seed)


def _where(options: RestoreOptions) -> str:
    return f", region {options.region}" if options.region else ""


def extract_iprs(
    image: Any,
    model: Model,
    *,
    axes: str,
    along: str,
    seed: int | None = None,
    options: RestoreOptions | None = None,
) -> list[IPR]:
    """Estimate an IPR for each index along an axis: planes, time points or channels.

    The intensity mapping is that of the whole channel, as when it is restored, so
    that the IPRs can be compared.

    Parameters
    ----------
    along
        One of `axes`, such as ``"Z"``, ``"T"`` or ``"C"``; others are taken together.
    """
    chosen = _seeded(options, seed)
    source, restorer = ArraySource(image, axes), restorer_of_images(model, chosen)
    check_dtype(source.dtype)
    along = along.upper()
    if along in ("Y", "X") or along not in tuple(source.layout.axes):
        raise InputError(f"'{along}' is none of the axes {axes} besides Y and X.")
    planes = source.layout.planes(model.config.image_channels)
    mappings = fit_mappings(source, planes, model, chosen)
    found = []
    for index in range(source.layout.size(along)):
        members = [p for p in planes if (along, index) in p.position]
        if len(by_channel(members)) != 1:
            raise InputError(
                f"Each index along {along} holds several channels; take them one at a "
                "time, or along C."
            )
        mapping = mappings[members[0].channel]
        ipr = stack_ipr(source, members, restorer, mapping)
        found.append(replace(ipr, source=f"{along}={index} of {axes} {source.shape}"))
    return found
