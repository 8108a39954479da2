"""Freezing: what is global about an image is measured once; see `rendering`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diffir_core.engine.frozen import FrozenState
from diffir_core.engine.halo import probe_halo
from diffir_core.engine.restorer import Restorer
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.channels import restored_channels
from diffir_core.stacks.groups import stack_attention, stack_ipr
from diffir_core.stacks.reading import check_dtype, restorer_of_images
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import fit_mappings

_PROBED: dict[tuple[str, str], int] = {}
"""Halos by fingerprint and precision; to probe one takes longer than all the rest."""


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
    planes = source.layout.planes(model.config.image_channels)
    if len({plane.channel for plane in planes}) > 1:
        raise InputError("A state belongs to one channel; pass one channel at a time.")
    mapping = fit_mappings(source, planes, model, options)[planes[0].channel]
    ipr = options.ipr
    if ipr is None:
        found = stack_ipr(source, planes, restorer, mapping)
        ipr = replace(found, source=f"{axes} image of shape {source.shape}")
    attention = stack_attention(source, planes, restorer, mapping, ipr)
    return FrozenState(
        ipr,
        {name: matrix.cpu().clone() for name, matrix in attention.items()},
        mapping,
        _halo(restorer),
    )


def _halo(restorer: Restorer) -> int:
    """Give the halo that the model's card has, or probe it, once in a process."""
    model, precision = restorer.model, restorer.precision.name
    if model.card and model.card.frozen_halo_px:
        return model.card.frozen_halo_px
    known = model.fingerprint, precision
    if known not in _PROBED:
        _PROBED[known] = probe_halo(restorer)
    return _PROBED[known]
