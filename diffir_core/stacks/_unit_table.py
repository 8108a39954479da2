"""Units of length and time: full names, as in OME-Zarr, and symbols, as in OME-XML."""

from __future__ import annotations

_PREFIXES = {
    "yotta": "Y", "zetta": "Z", "exa": "E", "peta": "P", "tera": "T", "giga": "G",
    "mega": "M", "kilo": "k", "hecto": "h", "deca": "da", "": "", "deci": "d",
    "centi": "c", "milli": "m", "micro": "µ", "nano": "n", "pico": "p", "femto": "f",
    "atto": "a", "zepto": "z", "yocto": "y",
}  # fmt: skip
LENGTHS = {f"{prefix}meter": f"{sign}m" for prefix, sign in _PREFIXES.items()} | {
    "angstrom": "Å", "thou": "thou", "inch": "in", "foot": "ft", "yard": "yd",
    "mile": "mi", "astronomical_unit": "ua", "light_year": "ly", "parsec": "pc",
    "point": "pt",
}  # fmt: skip
"""Symbols of OME-XML's UnitsLength by full name.

Its line, a twelfth of an inch, is left out: nothing else knows it.
"""
_POWERS = (*range(24, 2, -3), 2, 1, 0, -1, -2, *range(-3, -25, -3))
_METRES = {
    f"{prefix}meter": float(f"1e{power}")
    for prefix, power in zip(_PREFIXES, _POWERS, strict=True)
}
_SECONDS = {
    **{name.replace("meter", "second"): factor for name, factor in _METRES.items()},
    "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
TIMES = {f"{prefix}second": f"{sign}s" for prefix, sign in _PREFIXES.items()} | {
    "minute": "min", "hour": "h", "day": "d",
}  # fmt: skip
"""Symbols of OME-XML's UnitsTime by full name."""
SPELLINGS = {
    "um": "micrometer", "micron": "micrometer", "inches": "inch", "feet": "foot",
    "sec": "second", "msec": "millisecond", "us": "microsecond",
    "usec": "microsecond", "mins": "minute", "hr": "hour",
}  # fmt: skip
"""Full names by what people and programs write for them."""


def metres(name: str) -> float | None:
    """Give how many metres a unit of length is; None for what has no prefix."""
    return _METRES.get(name)


def seconds(name: str) -> float | None:
    """Give how many seconds a unit of time is; None for what is none."""
    return _SECONDS.get(name)
