"""Sample data, as napari opens it from File > Open Sample > DiffIR."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffir_core.samples import sample_path
from napari_diffir._opening import LayerData, open_layer


def noisy_and_reference() -> list[LayerData]:
    """Give a noisy Z stack of nuclei and its reference, with equal contrast."""
    limits = (220.0, 620.0)
    return [
        _layer("reference", "nuclei reference", limits),
        _layer("noisy", "nuclei noisy", limits),
    ]


def acquired() -> list[LayerData]:
    """Give a Z stack of a nucleus as acquired; there is no reference for it."""
    return [_layer("acquired", "nucleus as acquired", None)]


def _layer(file: Any, name: str, limits: tuple[float, float] | None) -> LayerData:
    data, arguments, kind = open_layer(sample_path(file))
    # In memory, where it can be edited: the layer is not the file any more.
    arguments |= {"name": name, "colormap": "gray", "metadata": {}}
    if limits:
        arguments["contrast_limits"] = limits
    return np.asarray(data), arguments, kind
