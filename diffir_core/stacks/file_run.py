"""From file to file: the output is free or ours, locked, and there in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from diffir_core.engine.workers import PauseSwitch
from diffir_core.errors import InputError, OutputExistsError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.crew import Crew, check_shareable
from diffir_core.stacks.destination import (
    check_apart,
    check_axes_held,
    check_destination,
    check_replaceable,
    check_type,
)
from diffir_core.stacks.fingerprint import image_spec
from diffir_core.stacks.finished import finished_steps
from diffir_core.stacks.jobs import is_foreign, job_of
from diffir_core.stacks.journal import Journal
from diffir_core.stacks.ordering import InOrder, UnitOrder
from diffir_core.stacks.planning import prepare
from diffir_core.stacks.resumable import FileRun, Steps
from diffir_core.stacks.source import StackSource, files_of, open_source
from diffir_core.stacks.unfinished import Unfinished
from diffir_core.stacks.work import Conditions


def restore_file_steps(
    path: str | Path | StackSource,
    destination: str | Path,
    model: Model,
    *,
    axes: str | None = None,
    options: RestoreOptions | None = None,
    overwrite: bool = False,
    resume: bool = False,
    order: UnitOrder | None = None,
    switch: PauseSwitch | None = None,
    crew: Crew | None = None,
) -> Steps:
    """Restore a file step by step; see `restore_file`, which only runs the steps.

    Closing the generator stops within one tile, and the run can be resumed. `order` may
    change its mind at any time, `switch` pauses the run; both from any thread. `crew`
    are other processes that do the units; see `diffir_core.stacks.cluster`. In place of
    a file, an open source may be given, such as an `ArraySource` with a name in its
    metadata; it is closed at the end, and no crew can read it.
    """
    target = Path(os.path.abspath(destination))  # Wherever this process goes.
    _check_source(path, target, crew)
    place = _place_for(target, resume, overwrite)
    with _held(place):
        journal = _journal(place) if resume else None
        if journal is not None:
            options = options or RestoreOptions.parse(journal.header["options"])
        source, name = _opened(path, axes)
        with closing(source):
            check_apart(files_of(source), target)
            if resume and _is_in_place(place, journal):
                report = yield from finished_steps(target, source, model, options)
                place.move_into_place()
                return report
            sharers = crew.processes_here if crew else 1
            run = _file_run(source, name, place, model, options, journal, sharers)
            run.check_same()
            order, switch = order or InOrder(), switch or PauseSwitch()
            return (yield from run.steps(order, switch, crew))


def _check_source(
    path: str | Path | StackSource, target: Path, crew: Crew | None
) -> None:
    """Refuse a source that the output would overwrite or that workers cannot read."""
    if isinstance(path, (str, Path)):
        check_apart([Path(path)], target)
    check_destination(target)
    if crew:
        check_shareable(target)
        _check_readable(path)


def _place_for(target: Path, resume: bool, overwrite: bool) -> Unfinished:
    """Give the place of an output that may be written as was asked."""
    place = Unfinished(target)
    if resume and overwrite:
        raise InputError("Pass either --resume or --overwrite, not both.")
    if not (resume or overwrite):
        _check_free(place)
    check_replaceable(target)
    _check_job_is_ours(place)
    return place


@contextmanager
def _held(place: Unfinished) -> Iterator[None]:
    """Keep other runs from a place, and leave none that is empty."""
    place.lock()
    try:
        place.put_back()
        yield
    finally:
        place.unlock()
        if place.is_there and not os.listdir(place.folder):
            place.remove()


def _file_run(
    source: StackSource,
    name: str,
    place: Unfinished,
    model: Model,
    options: RestoreOptions | None,
    journal: Journal | None,
    sharers: int,
) -> FileRun:
    options = options or RestoreOptions()
    conditions = Conditions(**journal.header["conditions"]) if journal else None
    # A budget that is given is that of each process.
    sharers = sharers if options.memory is None else 1
    work = prepare(source, model, options, conditions, sharers)
    check_type(place.destination, work.dtype)
    check_axes_held(place.destination, source.layout.axes)
    job = job_of(name, place.destination, model, source.layout, options)
    spec = image_spec(work, job.model_dump(mode="json"))
    return FileRun(source, work, spec, place, journal)


def _opened(
    path: str | Path | StackSource, axes: str | None
) -> tuple[StackSource, str]:
    if isinstance(path, (str, Path)):
        return open_source(os.path.abspath(path), axes), str(Path(path).resolve())
    return path, f"array '{path.metadata.name}'"


def _check_readable(path: str | Path | StackSource) -> None:
    if not isinstance(path, (str, Path)):
        raise InputError(
            "An array in this process cannot be read by workers; save it as a file "
            "first, or restore it without them."
        )


def _check_free(place: Unfinished) -> None:
    """Refuse to touch what is there, finished or not."""
    if place.destination.exists():
        raise OutputExistsError(
            f"{place.destination} is already there; choose another name or pass "
            "--overwrite."
        )
    if is_foreign(place.finished_job, place.destination):
        raise _not_ours(place.finished_job)
    if place.journal.exists():
        raise OutputExistsError(
            f"An unfinished {place.destination.name} is already there; pass --resume "
            "to complete it or --overwrite to start anew."
        )


def _check_job_is_ours(place: Unfinished) -> None:
    """Refuse to replace what no run of this output has made, whatever was asked."""
    if is_foreign(place.finished_job, place.destination, may_have_moved=True):
        raise _not_ours(place.finished_job)


def _not_ours(job: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{job} is already there, and no job of this output; move it away or choose "
        "another name."
    )


def _journal(place: Unfinished) -> Journal | None:
    return Journal.load(place.journal) if place.journal.exists() else None


def _is_in_place(place: Unfinished, journal: Journal | None) -> bool:
    """Tell whether nothing is left but, at most, to tidy up."""
    if not place.destination.exists() or place.image.exists():
        return False
    return journal is None or journal.is_laid_out
