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


def saved_as(name: str, suffix: str) -> Path:
    """Give the path that a person has named in a dialog, with a suffix if it has none.

    Raises
    ------
    InputError
        If the whole name is that of another file, which the dialog did not ask about.
    """
    path = Path(name)
    if path.suffix:
        return path
    whole = path.with_name(f"{path.name}{suffix}")
    if whole.exists():
        raise InputError(
            f"{whole.name} is already there; choose another name, or this whole one to "
            "replace it."
        )
    return whole
