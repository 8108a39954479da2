"""Files as stacks of planes (frames, channels, y, x), noisy and clean alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_training.images import FileCache
from diffir_training.images._partners import Partners
from diffir_training.images.checks import (
    check_finite,
    check_same_positions,
    check_same_size,
)
from diffir_training.images.planes import ImagePlane, Position, file_planes


@dataclass(frozen=True, slots=True, eq=False)
class StackPair:
    """A noisy stack and its reference, planes in the same order."""

    noisy: NDArray[Any]
    """(frames, channels, y, x), type as stored."""
    reference: NDArray[np.float64]
    """(frames, channels, y, x) in the noisy one's units; y and x times the scale."""


def read_pair(partners: Partners, axes: str | None, scale: int) -> StackPair:
    """Read a noisy file and its clean one, with the gain and offset of the table."""
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
    target = _stacked(ordered).astype(np.float64) * partners.gain + partners.offset
    return StackPair(_stacked(noisy), target)


def _stacked(planes: Sequence[ImagePlane]) -> NDArray[Any]:
    """Bring planes to (frames, channels, y, x): restoration maps channels apart."""
    frames: dict[Position, list[NDArray[Any]]] = {}
    for plane in planes:
        _, height, width = plane.shape
        values = plane.read(slice(0, height), slice(0, width))
        check_finite(plane.name, values)
        frame = tuple(at for at in plane.position if at[0] not in "CS")
        frames.setdefault(frame, []).append(values)
    return np.stack([np.concatenate(channels) for channels in frames.values()])
