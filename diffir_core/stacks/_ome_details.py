"""Names of OME-XML that are read and written, and what it says of the acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SIZES = {
    "X": ("PhysicalSizeX", "µm"),
    "Y": ("PhysicalSizeY", "µm"),
    "Z": ("PhysicalSizeZ", "µm"),
    "T": ("TimeIncrement", "s"),
}
"""Attributes of pixels by axis, and the unit that OME means where none is said."""
_OF_CHANNELS = (
    *("AcquisitionMode", "ContrastMethod", "EmissionWavelength"),
    *("EmissionWavelengthUnit", "ExcitationWavelength", "ExcitationWavelengthUnit"),
    *("Fluor", "IlluminationType", "NDFilter", "PinholeSize", "PinholeSizeUnit"),
    "PockelCellSetting",
)


def channel_details(channels: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Give what is said of the light of all channels, by attribute."""
    found = {key: tuple(c.get(key, "") for c in channels) for key in _OF_CHANNELS}
    return {key: values for key, values in found.items() if values and all(values)}


def acquisition_date(image: Any, namespace: str) -> str:
    """Give when an image was taken, as ISO 8601; nothing if it does not say."""
    element = image.find(f"{namespace}AcquisitionDate")
    return (element.text or "").strip() if element is not None else ""
