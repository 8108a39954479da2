"""What a file says about its pixels, beside their values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

_NAMES = {
    "µm": "micrometer", "μm": "micrometer", "um": "micrometer", "micron": "micrometer",
    "microns": "micrometer", "\\u00b5m": "micrometer", "nm": "nanometer",
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "Å": "angstrom",
    "s": "second", "sec": "second", "ms": "millisecond", "min": "minute", "h": "hour",
}  # fmt: skip
_SYMBOLS = {
    "micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm",
    "meter": "m", "angstrom": "Å", "second": "s", "millisecond": "ms",
    "minute": "min", "hour": "h",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackMetadata:
    """Axes, physical sizes and names of a stack."""

    axes: str
    pixel_size: dict[str, float] = field(default_factory=dict)
    """By axis letter, in `units`; absent where the file does not say."""
    units: dict[str, str] = field(default_factory=dict)
    """By axis letter, as full names such as 'micrometer' and 'second'."""
    channel_names: tuple[str, ...] = ()
    name: str = ""
    translate: dict[str, float] = field(default_factory=dict)
    """Position of the first pixel by axis letter, in `units`."""
    channel_colors: tuple[str, ...] = ()
    """RRGGBB by channel; empty where the file does not say."""

    def scaled(self, factor: int) -> StackMetadata:
        """Give the metadata after super-resolution by `factor` along Y and X.

        Pixels shrink, and the centre of the first one moves by half of what it lost.
        """
        if factor == 1:
            return self
        sizes, positions = dict(self.pixel_size), dict(self.translate)
        for axis in "YX":
            old = sizes.get(axis, 1.0)
            sizes[axis] = old / factor
            positions[axis] = positions.get(axis, 0.0) - (old - old / factor) / 2
        return replace(self, pixel_size=sizes, translate=positions)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image that is to be written."""

    shape: tuple[int, ...]
    """In the order of `metadata.axes`."""
    dtype: np.dtype[Any]
    metadata: StackMetadata
    job: dict[str, Any] = field(default_factory=dict)
    """What it is made from and how, in plain values; stored in the file."""


def unit_name(text: str) -> str | None:
    """Give the full name of a unit, or None for what is no physical unit."""
    text = text.strip()
    if text in _SYMBOLS:
        return text
    return _NAMES.get(text) or _NAMES.get(text.lower())


def unit_symbol(name: str) -> str:
    """Give the symbol of a unit's full name."""
    return _SYMBOLS.get(name, name)
