"""What the values of a TIFF mean: light, its negative, colours or a table of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile

_COLOURS = {"RGB", "YCBCR", "CIELAB", "ICCLAB", "ITULAB", "SEPARATED"}


def channel_axes(axes: str, page: Any) -> str:
    """Call samples that are no colours what they are: channels of a pixel."""
    if "C" in axes or _kind(page) in _COLOURS:
        return axes
    return axes.replace("S", "C")


def is_negative(page: Any) -> bool:
    """Tell whether 0 is white, as in images of gels and films."""
    return _kind(page) == "MINISWHITE"


def table_colour(page: Any) -> str:
    """Give RRGGBB of the bright end of a table, as ImageJ has one for an 8-bit channel.

    Nothing for a table that does not get brighter steadily: its colours stand for
    values, not for a dye.
    """
    if _kind(page) != "PALETTE" or page.colormap is None:
        return ""
    table = np.asarray(page.colormap, np.int64)
    if (np.diff(table) < 0).any() or not table[:, -1].any():
        return ""
    return "".join(f"{int(value) >> 8:02X}" for value in table[:, -1])


def _kind(page: Any) -> str:
    kind = page.photometric
    return kind.name if isinstance(kind, tifffile.PHOTOMETRIC) else ""
