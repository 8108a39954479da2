"""Files as stacks of planes (frames, channels, y, x), noisy and clean alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.config import ModelConfig
from diffir_core.stacks.axes import CHANNEL_AXES, StackLayout
from diffir_training.images import FileCache
from diffir_training.images._partners import Partners
from diffir_training.images.checks import check_comparable, check_finite
from diffir_training.images.pairing_checks import check_same_positions, check_same_size
from diffir_training.images.planes import ImagePlane, Position, file_planes


@dataclass(frozen=True, slots=True, eq=False)
class StackPair:
    """A noisy stack and its reference, planes in the same order."""

    noisy: NDArray[Any]
    """(frames, channels, y, x), type as stored."""
    reference: NDArray[np.float64]
    """(frames, channels, y, x) in the noisy one's units; y and x times the scale."""


def check_pair(partners: Partners, axes: str | None, config: ModelConfig) -> None:
    """Refuse what could not be restored or compared; only floats are read for it."""
    noisy, clean = _planes(partners, axes, config.scale)
    check_comparable(clean)
    if config.architecture != "inpainting":  # Which restoration refuses by itself.
        _layout(noisy).planes(config.in_channels)
    for plane in (*noisy, *clean):
        if plane.dtype.kind == "f":
            _values(plane)


def read_pair(partners: Partners, axes: str | None, scale: int) -> StackPair:
    """Read a noisy file and its clean one, with the gain and offset of the table."""
    noisy, clean = _planes(partners, axes, scale)
    target = _stacked(clean).astype(np.float64) * partners.gain + partners.offset
    return StackPair(_stacked(noisy), target)


def _planes(
    partners: Partners, axes: str | None, scale: int
) -> tuple[list[ImagePlane], list[ImagePlane]]:
    """List the planes of a noisy file, and those of its clean one in the same order."""
    cache = FileCache()
    noisy, clean = (
        file_planes(path, axes, cache) for path in (partners.noisy, partners.clean)
    )
    clean_at = {plane.position: plane for plane in clean}
    positions = {plane.position for plane in noisy}
    check_same_positions(noisy[0].file, positions, clean[0].file, set(clean_at))
    ordered = [clean_at[plane.position] for plane in noisy]
    for one, other in zip(noisy, ordered, strict=True):
        check_same_size(one, other, scale)
    return noisy, ordered


def _stacked(planes: Sequence[ImagePlane]) -> NDArray[Any]:
    """Bring planes to (frames, channels, y, x): restoration maps channels apart."""
    frames = [[_values(plane) for plane in frame] for frame in _frames(planes)]
    return np.stack([np.concatenate(channels) for channels in frames])


def _layout(planes: Sequence[ImagePlane]) -> StackLayout:
    """Give the layout of what `_stacked` gives."""
    frames = _frames(planes)
    channels = sum(plane.shape[0] for plane in frames[0])
    return StackLayout("TCYX", (len(frames), channels, *planes[0].shape[1:]))


def _frames(planes: Sequence[ImagePlane]) -> list[list[ImagePlane]]:
    """Give the planes that differ by their channel alone, frame by frame."""
    frames: dict[Position, list[ImagePlane]] = {}
    for plane in planes:
        frame = tuple(at for at in plane.position if at[0] not in CHANNEL_AXES)
        frames.setdefault(frame, []).append(plane)
    return list(frames.values())


def _values(plane: ImagePlane) -> NDArray[Any]:
    _, height, width = plane.shape
    values = plane.read(slice(0, height), slice(0, width))
    check_finite(plane.name, values)
    return values
