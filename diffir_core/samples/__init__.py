"""Small images that come with the package, for the demonstration and the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def sample_path(name: Literal["noisy", "reference", "acquired"]) -> Path:
    """Give a sample stack: "noisy", its "reference", or "acquired", which is noisy
    as it was acquired and has no reference.
    """
    return Path(__file__).parent / f"{name}.ome.tif"
