"""Which version this is, for files and reports that say so."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGE = "napari-diffir"
_UNKNOWN = "not installed"


def package_version() -> str:
    """Give the version of the installed package.

    A source folder on the path has none; what was computed is saved all the same.
    """
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return _UNKNOWN
