"""Pictures that compare a region with its restoration; arrays only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_diffir._ipr_state import View

if TYPE_CHECKING:
    from diffir_core.stacks.previewing import RegionPreview

Pixels = NDArray[Any]
"""(channels, Y, X)."""


def composed(look: RegionPreview, view: View, divider: float) -> Pixels:
    """Give what a view shows at the place of the region.

    'swipe' has the restoration right of the divider, 'beside' the middle of the region
    twice: as it is on the left, restored on the right.
    """
    restored = look.restored
    original = _fitting(look.original, restored)
    if view == "difference":
        return np.asarray(restored.astype(np.float32) - original.astype(np.float32))
    if view == "restored":
        return restored
    if view == "swipe":
        at = round(divider * restored.shape[2])
        return np.concatenate([original[:, :, :at], restored[:, :, at:]], axis=2)
    return _beside(original, restored)


def _beside(original: Pixels, restored: Pixels) -> Pixels:
    width = restored.shape[2]
    left, right = width // 2, width - width // 2
    first = (width - right) // 2
    parts = original[:, :, first : first + left], restored[:, :, first : first + right]
    return np.concatenate(parts, axis=2)


def _fitting(original: Pixels, restored: Pixels) -> Pixels:
    """Repeat the pixels of a region that the model enlarges; keep the result's type."""
    factor = restored.shape[2] // original.shape[2]
    grown = original.repeat(factor, axis=1).repeat(factor, axis=2)
    return grown.astype(restored.dtype, copy=False)


def symmetric_limits(difference: Pixels) -> tuple[float, float]:
    """Give contrast limits about zero that few pixels exceed."""
    most = float(np.percentile(np.abs(difference), 99.5)) or 1.0
    return -most, most


def unsure_mask(deviation: Pixels, share: float) -> NDArray[np.uint8]:
    """Mark the share of the pixels (channels, Y, X) whose deviation is largest."""
    marks = np.zeros(deviation.shape, np.uint8)
    count = round(share * deviation.size)
    if count:
        largest = np.argpartition(deviation.ravel(), -count)[-count:]
        marks.ravel()[largest] = 1
    return marks
