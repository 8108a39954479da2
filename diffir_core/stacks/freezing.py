"""Frozen states: measure what is global once, then render any crop on its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.checking import check_ipr
from diffir_core.engine.flips import FLIPS
from diffir_core.engine.frozen import FrozenState, crop_with_halo
from diffir_core.engine.halo import probe_halo
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.blanks import Blanks
from diffir_core.stacks.channels import restored_channels
from diffir_core.stacks.groups import stack_attention, stack_ipr
from diffir_core.stacks.planes import MappedPlane, kept_reach_px
from diffir_core.stacks.reading import (
    check_dtype,
    check_request,
    read_plane,
    region_of,
    restorer_of_images,
)
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import fit_mappings

Region = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""


def freeze(
    image: Any, model: Model, *, axes: str, options: RestoreOptions | None = None
) -> FrozenState:
    """Give all that is global about an image, or about a stack of one channel.

    Parameters
    ----------
    image
        Array-like of real numbers. Of a stack, the IPR is that of all planes and the
        attention that of at most 16 planes, evenly spread, as if they were one image.
    model
        A stage-2 model.
    axes
        One letter a dimension, such as ``"YX"`` or ``"ZYX"``.
    """
    options = options or RestoreOptions()
    source, restorer = ArraySource(image, axes), restorer_of_images(model, options)
    check_dtype(source.dtype)
    restored_channels(source.layout, model.config, options)
    planes = source.layout.planes(model.config.in_channels)
    if len({plane.channel for plane in planes}) > 1:
        raise InputError("A state belongs to one channel; pass one channel at a time.")
    mapping = fit_mappings(source, planes, model, options)[planes[0].channel]
    ipr = options.ipr
    if ipr is None:
        found = stack_ipr(source, planes, restorer, mapping)
        ipr = replace(found, source=f"{axes} image of shape {source.shape}")
    attention = stack_attention(source, planes, restorer, mapping, ipr)
    halo = model.card.frozen_halo_px if model.card else None
    return FrozenState(
        ipr,
        {name: matrix.cpu().clone() for name, matrix in attention.items()},
        mapping,
        halo or probe_halo(restorer),
    )


def _check_flips(state: FrozenState, restorer: Restorer) -> None:
    """Refuse a state that knows one flip where all are wanted."""
    last = FLIPS[-1]
    known = any(name == last.named(name.rpartition("/")[2]) for name in state.attention)
    if restorer.settled.averages_flips and not known:
        raise InputError(
            "The state was frozen without the mean of flips; freeze the image "
            "again with this model and average_flips, or render with "
            "average_flips=False."
        )


def _under(options: RestoreOptions, state: FrozenState) -> RestoreOptions:
    """Give options whose IPR is the state's, which is what it is."""
    return options.replace(ipr=state.ipr, strength=1.0, ipr_scope="plane", region=None)


def render(
    image: Any,
    model: Model,
    state: FrozenState,
    *,
    axes: str = "YX",
    region: Region | None = None,
    options: RestoreOptions | None = None,
) -> NDArray[Any]:
    """Restore a region of one plane under a frozen state.

    The result is that of the whole plane at this place, to 1e-4 of its standard
    deviation: regions fit together without seams, in any order.

    Parameters
    ----------
    image
        Array-like of one plane; of a lazy one, only the region and a halo are read,
        unless there are empty pixels among them: the whole plane is, then.
    region
        Rows and columns of the input; None is the whole plane.
    """
    check_request(model, options)
    options = options or RestoreOptions()
    check_ipr(state.ipr, model)
    restorer = restorer_of_images(model, _under(options, state))
    _check_flips(state, restorer)
    whole = ArraySource(image, axes)
    check_dtype(whole.dtype)
    layout = whole.layout
    height, width = layout.size("Y"), layout.size("X")
    whole_plane = (0, height, 0, width)
    top, bottom, left, right = whole_plane if region is None else region_of(region)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(
            f"Region {region} is not inside the plane of {height} x {width}; give "
            "(first row, row after the last, first column, column after the last)."
        )
    multiple, scale = model.config.size_multiple, model.config.scale
    halo = state.halo + kept_reach_px(restorer)
    rows, above = crop_with_halo(top, bottom, height, halo, multiple)
    columns, before = crop_with_halo(left, right, width, halo, multiple)
    inside = tuple({"Y": rows, "X": columns}.get(a, slice(None)) for a in layout.axes)
    array = image if hasattr(image, "shape") else np.asarray(image)
    source = ArraySource(array[inside], axes)
    planes = source.layout.planes(model.config.in_channels)
    if len(planes) != 1:
        raise InputError(f"Render one plane at a time, not {len(planes)}.")
    values = read_plane(source, planes[0])
    dtype = options.dtype(source.dtype)
    blanks = Blanks(values, state.mapping)
    if blanks.are_there and values.shape[1:] != (height, width):
        (plane,) = layout.planes(model.config.in_channels)
        blanks = _blanks_of_part(whole, plane, state.mapping, rows, columns)
    mapped = MappedPlane(values, state.mapping, restorer, dtype, blanks)
    job = restorer.job(mapped.plane, state.ipr)
    job.attention = dict(state.attention)
    exhaust(restorer.restore([job]))
    kept = mapped.restored()[
        :,
        above * scale : (above + bottom - top) * scale,
        before * scale : (before + right - left) * scale,
    ]
    out = np.empty(
        [
            {"Y": kept.shape[1], "X": kept.shape[2]}.get(axis, layout.size(axis))
            for axis in layout.axes
        ],
        dtype,
    )
    planes[0].put(out, kept)
    return out


def _blanks_of_part(
    whole: ArraySource,
    plane: PlaneIndex,
    mapping: IntensityMapping,
    rows: slice,
    columns: slice,
) -> Blanks:
    """Give the empty pixels of a part: what they see may come from anywhere."""
    blanks = Blanks(read_plane(whole, plane), mapping)
    blanks.cut_to(rows, columns)
    return blanks
