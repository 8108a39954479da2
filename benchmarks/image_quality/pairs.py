"""What a set is made of, and where the images are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.generic]
Item = TypeVar("Item")

RANGE = 255.0
"""Of all sets: PSNR and SSIM take it as the range of values."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A noisy frame and the reference of the same field, on the same scale."""

    name: str
    group: str
    """The configuration, such as a specimen in a channel."""
    noisy: Image
    reference: Image


def default_data() -> Path:
    """Give where the test images are unless `--data` says otherwise."""
    return Path(os.environ.get("DIFFIR_DATA", "../shared/data")) / "test"


def check_data(data: Path) -> None:
    """End the program where there is no such folder."""
    if not data.is_dir():
        sys.exit(f"No images at {data}; pass --data or set DIFFIR_DATA.")


def spread(pairs: Iterable[Item], count: int | None) -> list[Item]:
    """Take so many pairs from all over a set; None takes all."""
    every = list(pairs)
    if count is None or count >= len(every):
        return every
    return [every[round(i)] for i in np.linspace(0, len(every) - 1, count)]
