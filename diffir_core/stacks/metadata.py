"""What a file says about its pixels, beside their values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np

from diffir_core.stacks._unit_table import LENGTHS, SPELLINGS, TIMES

_NAMES = {
    **{name: name for name in (LENGTHS | TIMES)},
    **{symbol: name for name, symbol in (LENGTHS | TIMES).items()},
    **SPELLINGS,
}
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RGB = re.compile("[0-9A-F]{6}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class StackMetadata:
    """Axes, physical sizes and names of a stack."""

    axes: str
    pixel_size: dict[str, float] = field(default_factory=dict)
    """By axis letter, in `units`; absent where the file does not say. OME has one of Z,
    and of T, where there is a single plane, too, and no such axis."""
    units: dict[str, str] = field(default_factory=dict)
    """By axis letter, as full names such as 'micrometer' and 'second'."""
    channel_names: tuple[str, ...] = ()
    name: str = ""
    translate: dict[str, float] = field(default_factory=dict)
    """Position of the first pixel by axis letter, in `units`."""
    channel_colors: tuple[str, ...] = ()
    """RRGGBB by channel; empty where the file does not say."""
    stage_positions: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """By X, Y, Z, in `units`: where each plane is, in the order of the axes but Y, X
    and S; only where `translate` and `pixel_size` do not say so."""
    plane_times: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """`DeltaT` and `ExposureTime` of each plane, in seconds, in the same order."""
    acquired: str = ""
    """Date and time of the acquisition, as ISO 8601."""
    channel_details: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What OME says of the light of each channel, by attribute."""
    white_is_zero: bool = False
    """Whether the values are those of a negative."""

    def renamed(self, axes: str) -> StackMetadata:
        """Give the metadata with other letters for the same axes, in their order."""
        if axes == self.axes:
            return self
        letters = dict(zip(self.axes, axes, strict=True))
        stay = _planes_stay(letters)

        def moved(values: dict[str, Any]) -> dict[str, Any]:
            unseen = {a: v for a, v in values.items() if a not in (*letters, *axes)}
            return unseen | {
                letters[a]: v
                for a, v in values.items()
                if a in letters and letters[a] not in "CS"
            }

        return replace(
            self,
            axes=axes,
            pixel_size=moved(self.pixel_size),
            units={
                axis: unit
                for axis, unit in moved(self.units).items()
                if axis_unit(axis, unit) or not unit_name(unit)
            },
            translate=moved(self.translate),
            stage_positions=self.stage_positions if stay else {},
            plane_times=self.plane_times if stay else {},
        )

    def scaled(self, factor: int) -> StackMetadata:
        """Give the metadata after super-resolution by `factor` along Y and X.

        Pixels shrink, and the centre of the first one moves by half of what it lost.
        """
        if factor == 1:
            return self
        sizes, positions = dict(self.pixel_size), dict(self.translate)
        stage = dict(self.stage_positions)
        for axis in "YX":
            old = sizes.get(axis, 1.0)
            sizes[axis] = old / factor
            shift = (old - old / factor) / 2
            if axis in stage:
                stage[axis] = tuple(value - shift for value in stage[axis])
            if axis in positions or axis not in stage:
                positions[axis] = positions.get(axis, 0.0) - shift
        return replace(
            self, pixel_size=sizes, translate=positions, stage_positions=stage
        )


def _planes_stay(letters: Mapping[str, str]) -> bool:
    """Tell whether planes are the same ones under the new letters of their axes."""
    return all((old in "YXS") == (new in "YXS") for old, new in letters.items())


def number(text: Any) -> float | None:
    """Give a finite number, or None for what is none."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None


def known_sizes(sizes: Mapping[str, Any]) -> dict[str, float]:
    """Give the sizes that can be those of pixels; files also say 0 or NaN."""
    found = {axis: number(size) for axis, size in sizes.items()}
    return {axis: size for axis, size in found.items() if size and size > 0}


def legible(text: str) -> str:
    """Give text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("", text)


def known_names(names: Sequence[str]) -> tuple[str, ...]:
    """Give names of channels, some of them empty; none if all are."""
    found = tuple(legible(name) for name in names)
    return found if any(found) else ()


def known_colors(colors: Sequence[str]) -> tuple[str, ...]:
    """Give RRGGBB of channels, white for what is no colour; none if none is one."""
    found = [color.upper().removeprefix("#") for color in colors]
    valid = [bool(_RGB.fullmatch(color)) for color in found]
    if not any(valid):
        return ()
    return tuple(
        color if is_one else "FFFFFF"
        for color, is_one in zip(found, valid, strict=True)
    )


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
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text.strip())
    # Micro and angstrom have two characters each, which look the same.
    text = unicodedata.normalize("NFKC", text).replace("μ", "µ")
    plain = text.lower().replace("metre", "meter")
    # As it stands comes first: Mm is not mm.
    tries = (text, plain, plain.removesuffix("s"))
    return next((_NAMES[each] for each in tries if each in _NAMES), None)


def axis_unit(axis: str, text: str) -> str | None:
    """Give the full name of a unit, or None for what does not measure this axis."""
    name = unit_name(text)
    return name if name in _measures(axis) else None


def axis_symbol(axis: str, name: str) -> str | None:
    """Give OME-XML's symbol of a unit, or None for what does not measure this axis."""
    return _measures(axis).get(unit_name(name) or "")


def _measures(axis: str) -> dict[str, str]:
    return TIMES if axis == "T" else LENGTHS
