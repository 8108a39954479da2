"""The IPR of a clean reference, which is what stage 2 learns to estimate."""

from __future__ import annotations

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
from diffir_core.stacks.reading import check_dtype, read_plane
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import fit_mappings


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
    if model.config.fills_holes:
        raise InputError(
            f"'{model.name}' fills in what is missing, and the IPR of a reference is "
            "that of models that restore; choose one of them."
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
    planes = source.layout.planes(model.config.image_channels)
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
