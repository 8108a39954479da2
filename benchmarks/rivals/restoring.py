"""Restore whole images with a rival, by the rules of `diffir_core.restore`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffir_core.engine.device import choose_device, full_float32
from diffir_core.intensity import fit_mapping
from diffir_core.stacks.reading import read_plane
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import take_sample
from rivals.networks import Rival


@torch.inference_mode()
def restore_with(network: Rival, image: NDArray[Any]) -> NDArray[Any]:
    """Restore a plane (y, x): float32, in the units of the image, not rounded.

    Percentiles of the whole plane become 0 and 1, exactly as with a DiffIR, and the
    plane is computed as a whole, in float32.
    """
    source = ArraySource(image, "YX")
    (plane,) = source.layout.planes(1)
    mapping = fit_mapping(take_sample(source, [plane]).values)
    values = torch.from_numpy(mapping.to_model(read_plane(source, plane)))
    device = choose_device("auto").device
    with full_float32(device):
        restored = network.to(device)(values[None].to(device))[0, 0]
    return mapping.from_model(restored.cpu().numpy(), np.dtype(np.float32))[0]
