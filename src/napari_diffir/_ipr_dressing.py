"""Layers that follow the place and the looks of their source, but not blindly."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffir._layers import LOOKS, PLACE

_GIVEN = "diffir_given"


def place_in(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments of a layer that say where it is."""
    return {name: arguments[name] for name in PLACE}


def dress(layer: Any, arguments: dict[str, Any]) -> None:
    """Give a layer its place, and those of its looks that no person has changed.

    What is still as it was given last is given anew. What is not, a person has set in
    the layer's own controls: it stays, until it is set back.
    """
    for name in PLACE:
        if not _is_same(getattr(layer, name), arguments[name]):
            setattr(layer, name, arguments[name])
    # With the layer, as several widgets dress it.
    given: dict[str, Any] = layer.metadata.setdefault(_GIVEN, {})
    for name in LOOKS:
        if name in arguments:
            _give(layer, name, arguments[name], given)


def _give(layer: Any, name: str, value: Any, given: dict[str, Any]) -> None:
    """Set one look; note what was wanted, and what napari has made of it."""
    if name in given:
        wanted, became = given[name]
        if _is_same(value, wanted) or not _is_same(getattr(layer, name), became):
            return
    setattr(layer, name, value)
    given[name] = value, getattr(layer, name)


def _is_same(one: Any, other: Any) -> bool:
    """Compare numbers, names, units, colormaps, and matrices by their values."""
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
