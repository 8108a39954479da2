"""The metadata of OME-Zarr 0.5, as the files have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffir_core.report import MappingReport
from diffir_core.stacks.metadata import StackMetadata

_KINDS = {"T": "time", "C": "channel"}
_SAMPLES = ("red", "green", "blue", "alpha")
_SAMPLE_COLORS = ("FF0000", "00FF00", "0000FF", "FFFFFF")


def multiscale(
    axes: Sequence[str], metadata: StackMetadata, levels: int
) -> dict[str, Any]:
    """Describe axes, and scale and position of every level."""
    image = {
        "name": metadata.name,
        "type": "mean",
        "axes": [_axis(axis, metadata) for axis in axes],
        "datasets": [_dataset(axes, metadata, level) for level in range(levels)],
    }
    return {"version": "0.5", "multiscales": [image]}


def _axis(axis: str, metadata: StackMetadata) -> dict[str, str]:
    entry = {"name": axis.lower(), "type": _KINDS.get(axis, "space")}
    if axis in metadata.units:
        entry["unit"] = metadata.units[axis]
    return entry


def _dataset(
    axes: Sequence[str], metadata: StackMetadata, level: int
) -> dict[str, Any]:
    scale, shift = [], []
    for axis in axes:
        size = metadata.pixel_size.get(axis, 1.0)
        factor = 2**level if axis in "YX" else 1
        scale.append(size * factor)
        # The centre of a pixel that stands for several lies between them.
        shift.append(metadata.translate.get(axis, 0.0) + size * (factor - 1) / 2)
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(shift):
        transforms.append({"type": "translation", "translation": shift})
    return {"path": str(level), "coordinateTransformations": transforms}


def channels(
    count: int,
    metadata: StackMetadata,
    dtype: np.dtype[Any],
    mappings: Sequence[MappingReport] = (),
    *,
    chosen: bool = False,
) -> dict[str, Any]:
    """Describe names, colours and display ranges of channels.

    What was background and highlight to the model is black and bright on the screen.
    The samples of RGB pixels become channels of their colours. Where channels were
    `chosen`, the others were copied and have no mapping.
    """
    if "S" in metadata.axes and count in (3, 4):
        metadata = _of_samples(metadata, count)
    described = []
    for number in range(count):
        entry: dict[str, Any] = {
            # Opacity, added up with the colours, would hide them.
            "active": number != 3 or metadata.channel_names != _SAMPLES,
            "color": _color(number, metadata),
            "inverted": metadata.white_is_zero,
            "window": _window(dtype, _of_channel(mappings, number, chosen)),
        }
        if number < len(metadata.channel_names):
            entry["label"] = metadata.channel_names[number]
        described.append(entry)
    return {"channels": described}


def _of_channel(
    mappings: Sequence[MappingReport], number: int, chosen: bool
) -> MappingReport | None:
    if len(mappings) == 1 and not chosen:  # All channels together have one.
        return mappings[0]
    return next((m for m in mappings if m.channel == number), None)


def _of_samples(metadata: StackMetadata, count: int) -> StackMetadata:
    return replace(
        metadata,
        channel_names=_SAMPLES[:count],
        channel_colors=_SAMPLE_COLORS[:count],
    )


def _color(number: int, metadata: StackMetadata) -> str:
    colors = metadata.channel_colors
    return colors[number] if number < len(colors) else "FFFFFF"


def _window(dtype: np.dtype[Any], mapping: MappingReport | None) -> dict[str, float]:
    low, high = 0.0, 1.0
    if dtype.kind != "f":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    start, end = low, high
    if mapping:
        start, end = sorted((mapping.offset, mapping.offset + mapping.scale))
    if dtype.kind == "f":
        low, high = min(low, start), max(high, end)
    return {"min": low, "max": high, "start": start, "end": end}
