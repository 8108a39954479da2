"""IPRs: of all planes, of a region, of each time point, of a clean reference."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.device import inferring
from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.nn import DiffIRS1
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.blanks import recorded
from diffir_core.stacks.extremes import seen
from diffir_core.stacks.groups import stack_ipr
from diffir_core.stacks.reading import (
    check_dtype,
    check_request,
    read_plane,
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
    planes = source.layout.planes(model.config.in_channels)
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
        planes = source.layout.planes(model.config.in_channels)
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
    planes = source.layout.planes(model.config.in_channels)
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


def reference_ipr(
    image: Any, reference: Any, model: Model, stage1: Model, *, axes: str = "YX"
) -> IPR:
    """Give the IPR that a clean reference stands for: what stage 2 tries to estimate.

    Parameters
    ----------
    image, reference
        A degraded plane, and the clean one in the same units; the latter is larger by
        the model's scale.
    model
        The stage-2 model that will restore under the IPR.
    stage1
        The stage-1 model that it was taught by.
    """
    same = stage1.config.shares_stage1_with(model.config)
    if not isinstance(stage1.network, DiffIRS1) or not same:
        raise InputError(
            f"'{stage1.name}' is not the stage-1 model of '{model.name}'; pass the "
            "stage1.safetensors of the same training."
        )
    noisy, clean = ArraySource(image, axes), ArraySource(reference, axes)
    plane, other = (_only_plane(part, model) for part in (noisy, clean))
    mapping = fit_mappings(noisy, [plane], model, RestoreOptions())[plane.channel]
    parts = [
        seen(recorded(read_plane(part, one), mapping), mapping)
        for part, one in ((noisy, plane), (clean, other))
    ]
    lq, gt = _fitting(parts[0], parts[1], model)
    with inferring(lq.device):
        vector = stage1.network.extract_ipr(lq, gt)[0].numpy()
    return IPR(vector.copy(), model.fingerprint, 0, None, "a clean reference")


def _only_plane(source: ArraySource, model: Model) -> PlaneIndex:
    check_dtype(source.dtype)
    planes = source.layout.planes(model.config.in_channels)
    if len(planes) != 1:
        raise InputError(
            f"A reference stands for one plane, and there are {len(planes)}; pass them "
            "one at a time."
        )
    return planes[0]


def _fitting(
    noisy: NDArray[np.float32], clean: NDArray[np.float32], model: Model
) -> tuple[Tensor, Tensor]:
    """Crop both sides to sizes that the network takes."""
    multiple, scale = model.config.size_multiple, model.config.scale
    height, width = (size // multiple * multiple for size in noisy.shape[1:])
    expected = tuple(scale * size for size in noisy.shape[1:])
    if clean.shape[1:] != expected or not height * width:
        raise InputError(
            f"The reference has {clean.shape[1:]} pixels, the image {noisy.shape[1:]}; "
            f"the reference must have {expected}, and the image {multiple} or more."
        )
    lq = torch.from_numpy(noisy[None, :, :height, :width])
    gt = torch.from_numpy(clean[None, :, : scale * height, : scale * width])
    return lq, gt
