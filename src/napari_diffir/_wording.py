"""How the widgets say times and results, all of them alike."""

from __future__ import annotations

from diffir_core.errors import DiffIRError, InputError
from diffir_core.report import rounding_sentence


def duration(seconds: float) -> str:
    """Give a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def restored_sentence(
    planes: int, seconds: float, clipped_values: int, levels: int | None = None
) -> str:
    """Say that a restoration is done; of clipped values, and of few grey levels."""
    clipped = f", {counted(clipped_values, 'value')} clipped" if clipped_values else ""
    done = f"Restored {counted(planes, 'plane')} in {duration(seconds)}{clipped}."
    return done + rounding_sentence(levels)


def counted(number: int, noun: str) -> str:
    """Give "1 plane" or "2 planes"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


_CONTROLS = {
    "pass --overwrite": "tick 'Replace what is there'",
    "or --overwrite": "or tick 'Replace what is there'",
    "pass --resume": "press Resume",
    "give (first row, row after the last, first column, column after the last)": (
        "take it anew: choose 'the region now in view' again"
    ),
}
"""What the core calls by flags and arguments, as a panel has it."""


def told(error: Exception) -> Exception:
    """Give an error as a panel says it.

    What the system refuses is one sentence, and flags of the command are controls.
    """
    if isinstance(error, DiffIRError):
        return _in_a_panel(error)
    if not isinstance(error, OSError) or not error.strerror:
        return error
    why = error.strerror[0].lower() + error.strerror[1:]
    return InputError(
        f"The system refuses {error.filename or 'a file'}: {why}; choose another "
        "place, or make room or rights for this one."
    )


def _in_a_panel(error: DiffIRError) -> DiffIRError:
    words = str(error)
    for flag, control in _CONTROLS.items():
        words = words.replace(flag, control)
    if words == str(error):
        return error
    said = InputError(words)
    said.__cause__ = error
    return said
