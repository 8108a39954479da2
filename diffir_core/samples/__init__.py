"""Small images that come with the package, for the demonstration and the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def sample_path(name: Literal["noisy", "reference", "acquired"]) -> Path:
    """Give the file of a sample stack.

    "noisy" has a "reference"; "acquired" is noisy as it was acquired, and has none.
    """
    return Path(__file__).parent / f"{name}.ome.tif"
