"""What a command line asks for, together with the file that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.jobs import RestoreJob


@dataclass(frozen=True)
class Request:
    """What the command line asks for; a job's file fills in what it leaves out."""

    source: Path
    destination: Path | None
    model: Model
    axes: str | None
    options: RestoreOptions | None
    """None if nothing was said of options."""


def request(
    source: Path | None,
    destination: Path | None,
    model: str | None,
    axes: str | None,
    settings: Path | None,
    changes: dict[str, Any],
    *,
    assignments: Sequence[str] = (),
    resume: bool = False,
) -> Request:
    """Bring arguments, a file of options or a job, and what was begun together."""
    from diffir_core.checkpoint import load_model
    from diffir_core.stacks.jobs import RestoreJob, is_job
    from diffir_core.stacks.unfinished import Unfinished

    job = RestoreJob.load(settings) if settings and is_job(settings) else None
    options = _options(job, settings, changes, assignments)
    if job is None and resume and destination is not None:
        begun = Unfinished(destination).job
        job = RestoreJob.load(begun) if begun.exists() else None
    loaded = load_model(model or (job.model if job else DEFAULT_MODEL))
    if job is not None and model is None:
        job.check_model(loaded)
    return Request(
        _place(source, job.input if job else None, "IN"),
        destination or (Path(job.output) if job else None),
        loaded,
        axes or (job.axes if job else None),
        options,
    )


def _options(
    job: RestoreJob | None,
    settings: Path | None,
    changes: dict[str, Any],
    assignments: Sequence[str],
) -> RestoreOptions | None:
    """Give the options of a job or of a file with what is changed, if any are named."""
    from diffir_core.options import RestoreOptions

    options = job.options if job else None
    if settings is not None and job is None:
        options = RestoreOptions.from_yaml(settings)
    if given := {key: value for key, value in changes.items() if value is not None}:
        options = (options or RestoreOptions()).replace(**given)
    if assignments:
        options = (options or RestoreOptions()).changed(assignments)
    return options


def _place(given: Path | None, of_job: str | None, name: str) -> Path:
    if given is None and of_job is None:
        raise InputError(f"Give {name}, or a job with --options job.yaml.")
    return given or Path(str(of_job))
