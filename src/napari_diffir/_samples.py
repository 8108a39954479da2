"""Sample data, as napari opens it from File > Open Sample > DiffIR."""

from __future__ import annotations

from typing import Any

from diffir_core.samples import sample_path

LayerData = tuple[Any, dict[str, Any], str]


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
    import tifffile

    from diffir_core.stacks.source import open_source

    source = open_source(sample_path(file))
    metadata = source.metadata
    source.close()
    axes = metadata.axes
    arguments: dict[str, Any] = {
        "name": name,
        "axis_labels": tuple(axis.lower() for axis in axes),
        "scale": [metadata.pixel_size.get(axis, 1.0) for axis in axes],
        "units": [metadata.units.get(axis, "pixel") for axis in axes],
        "colormap": "gray",
    }
    if limits:
        arguments["contrast_limits"] = limits
    return tifffile.imread(sample_path(file)), arguments, "image"
