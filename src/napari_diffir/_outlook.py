"""What a restoration to disk will take, and what is already there; on any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.errors import DiffIRError
from diffir_core.stacks.unfinished import Unfinished, described
from napari_diffir._stack_inputs import opened
from napari_diffir._wording import told

if TYPE_CHECKING:
    from diffir_core.stacks.estimating import Estimate
    from napari_diffir._stack_steps import StackRequest, StackTask

_FIRST = ("time", "main memory", "GPU memory", "temporary files", "output", "free disk")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a person should know before the start."""

    lines: tuple[tuple[str, str], ...] = ()
    """Names and values of the estimate."""
    existing: str = ""
    """One sentence about what is already where the output will be."""
    problem: str = ""
    """Why it could not be begun, in one sentence."""
    may_begin: bool = True
    """Whether trying is of any use."""

    @property
    def rows(self) -> list[str]:
        """What it takes, the things that decide first, each in a row of its own."""
        first = [line for line in self.lines if line[0] in _FIRST]
        rest = [line for line in self.lines if line[0] not in _FIRST]
        rows = [[line] for line in first] + ([rest] if rest else [])
        return [", ".join(f"{name}: {value}" for name, value in row) for row in rows]


def look_ahead(request: StackRequest) -> Outlook:
    """Open the input, restore one tile of it, and look at the output's place.

    Of several stacks, the first one's estimate is given. Nothing is written.
    """
    first = request.tasks[0]
    several = len(request.tasks) > 1
    existing, may_begin = ("", True) if several else _place(request, first.destination)
    try:
        found = _estimate(request, first)
    except Exception as error:
        # Of several, others may do; what is no fault of the choices may pass.
        may_begin &= several or not isinstance(error, DiffIRError)
        problem = str(told(error))
        return Outlook(existing=existing, problem=problem, may_begin=may_begin)
    if not found.fits:
        problem = f"It does not fit the disk: {first.destination.parent}."
        return Outlook(_lines(request, found), existing, problem, may_begin)
    return Outlook(_lines(request, found), existing, may_begin=may_begin)


def _estimate(request: StackRequest, task: StackTask) -> Estimate:
    from diffir_core.checkpoint import load_model
    from diffir_core.stacks.estimating import estimate

    return estimate(
        opened(task.source),
        load_model(request.model),
        axes=request.axes,
        options=request.options,
        destination=task.destination,
    )


def _lines(request: StackRequest, found: Estimate) -> tuple[tuple[str, str], ...]:
    from diffir_core.wording import estimate_lines

    count = len(request.tasks)
    before = [("stacks", f"{count}; the first:")] if count > 1 else []
    lines = [line for line in estimate_lines(found) if line[1] != "none"]
    return tuple(before + lines)


def _place(request: StackRequest, destination: Path) -> tuple[str, bool]:
    """Say what is there, and whether a run can begin all the same.

    What an unfinished output was to become may not be readable: it can be replaced.
    """
    try:
        return _existing(destination, request.overwrite), True
    except Exception as error:  # A damaged journal has many faces.
        return str(told(error)), request.overwrite


def _existing(destination: Path, is_replaced: bool) -> str:
    found = described(destination)
    if found and "planes" in found:
        return (
            f"An unfinished {destination.name} is there, {found['planes_done']} of "
            f"{found['planes']} planes: Resume completes it."
        )
    if destination.exists() and is_replaced:
        return f"{destination.name} is there and will be replaced."
    if destination.exists():
        return f"{destination.name} is already there: choose another, or replace it."
    return ""


def is_begun(request: StackRequest) -> bool:
    """Tell whether there is something to resume; of several stacks, one of them."""
    places = [Unfinished(task.destination) for task in request.tasks]
    several = len(places) > 1
    return any(
        place.journal.exists() or (several and place.destination.exists())
        for place in places
    )
