"""Grey images beside and above each other, for the pictures of the docs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
_GAP_PIXELS = 2


def grey(image: NDArray[np.generic], black: float, white: float) -> Grey:
    """Give an image in grey values, with its black and its white."""
    shown = np.clip((image.astype(np.float64) - black) / (white - black), 0, 1)
    return np.asarray(shown * 255, np.uint8)


def beside(images: Sequence[Grey]) -> Grey:
    """Put images of one height beside each other, with white gaps."""
    gap = np.full((images[0].shape[0], _GAP_PIXELS), 255, np.uint8)
    return np.hstack([part for one in images for part in (one, gap)][:-1])


def above(images: Sequence[Grey]) -> Grey:
    """Put images of one width below each other, with white gaps."""
    return beside([one.T for one in images]).T


def enlarged(image: Grey, factor: int) -> Grey:
    """Repeat pixels."""
    return image.repeat(factor, 0).repeat(factor, 1)
