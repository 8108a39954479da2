"""Paths as people type them: what names no place is told in one sentence."""

from __future__ import annotations

from pathlib import Path

from diffir_core.errors import InputError
from napari_diffir._wording import told


def typed_path(text: str) -> Path:
    """Give the place that a text names, with ~ as the home folder; it may be empty.

    Raises
    ------
    InputError
        If the system cannot look there: of a home folder that it does not know, a name
        that is too long, a folder that may not be read.
    """
    path = Path(text.strip())
    try:
        path = path.expanduser()
        path.exists()
    except RuntimeError as error:
        raise InputError(
            f"The system knows no home folder '{path.parts[0]}'; write the whole path."
        ) from error
    except OSError as error:
        raise told(error) from error
    return path
