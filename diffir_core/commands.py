"""The commands `diffir restore` and `diffir estimate`, behind the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.options import RestoreOptions
    from diffir_core.report import RestoreReport
    from diffir_core.stacks.crew import Crew
    from diffir_core.stacks.estimating import Estimate
    from diffir_core.stacks.progress import RestoreProgress

Say = Callable[[str], None]
Show = Callable[["RestoreProgress"], None]


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
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.jobs import RestoreJob, is_job
    from diffir_core.stacks.unfinished import Unfinished

    options, job = None, None
    if settings is not None and is_job(settings):
        job = RestoreJob.load(settings)
        options = job.options
    elif settings is not None:
        options = RestoreOptions.from_yaml(settings)
    if given := {key: value for key, value in changes.items() if value is not None}:
        options = (options or RestoreOptions()).replace(**given)
    if assignments:
        options = (options or RestoreOptions()).changed(assignments)
    if job is None and resume and destination is not None:
        begun = Unfinished(destination).job
        job = RestoreJob.load(begun) if begun.exists() else None
    name = model or (job.model if job else DEFAULT_MODEL)
    loaded = load_model(name)
    if job is not None and model is None:
        job.check_model(loaded)
    return Request(
        _place(source, job.input if job else None, "IN"),
        destination or (Path(job.output) if job else None),
        loaded,
        axes or (job.axes if job else None),
        options,
    )


def _place(given: Path | None, of_job: str | None, name: str) -> Path:
    if given is None and of_job is None:
        raise InputError(f"Give {name}, or a job with --options job.yaml.")
    return given or Path(str(of_job))


def run_restore(
    asked: Request,
    *,
    overwrite: bool,
    resume: bool,
    show: Show,
    say: Say,
    crew: Crew | None = None,
) -> None:
    """Restore a file, or each of a folder if the output is one."""
    from diffir_core.stacks.batch import restore_folder
    from diffir_core.stacks.restoring import restore_file

    if asked.destination is None:
        raise InputError("Give OUT, or a job with --options job.yaml.")
    arguments: dict[str, Any] = {
        "axes": asked.axes,
        "options": asked.options,
        "overwrite": overwrite,
        "resume": resume,
        "progress": show,
        "crew": crew,
    }
    if _is_folder_of_stacks(asked):
        _check_folder(asked.destination)
        failed = 0
        for item in restore_folder(
            asked.source, asked.destination, asked.model, **arguments
        ):
            failed += item.error is not None
            say(_line(item.destination, item.report) if item.report else
                f"{item.source}: {item.error}")  # fmt: skip
        if failed:
            raise InputError(f"{failed} stacks could not be restored; see above.")
        return
    report = restore_file(asked.source, asked.destination, asked.model, **arguments)
    say(_line(asked.destination, report))


def _is_folder_of_stacks(asked: Request) -> bool:
    from diffir_core.stacks.destination import is_zarr, names_a_file

    out = asked.destination
    is_folder = asked.source.is_dir() and not is_zarr(asked.source)
    return is_folder and out is not None and not names_a_file(out)


def _check_folder(path: Path) -> None:
    """Refuse a folder of results that cannot be made."""
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; create it first.")
    if path.exists() and not path.is_dir():
        raise InputError(
            f"{path} is a file, and the results of a folder of stacks need a folder; "
            "choose another name."
        )


def run_estimate(asked: Request) -> list[tuple[str, str]]:
    """Say what restoring a file will take; of a folder of stacks, its first one."""
    from diffir_core.stacks.destination import check_destination
    from diffir_core.stacks.estimating import estimate
    from diffir_core.stacks.folders import result_name, stacks_of

    source, target, before = asked.source, asked.destination, []
    if target is not None and _is_folder_of_stacks(asked):
        _check_folder(target)
        stacks = stacks_of(source)
        before = [("stacks", f"{len(stacks)}; the first:")]
        source, target = stacks[0], target / result_name(stacks[0])
    elif target is not None:
        check_destination(target)
    found = estimate(
        source, asked.model, axes=asked.axes, options=asked.options, destination=target
    )
    return before + estimate_lines(found)


def crew_of(
    scheduler: str | None, workers: int | None
) -> AbstractContextManager[Crew | None]:
    """Give the processes that are asked for, or None for this one."""
    if scheduler is None and workers is None:
        return nullcontext()
    from diffir_core.stacks.cluster import connected_crew, local_crew

    if workers is None:
        return connected_crew(str(scheduler))
    if scheduler is not None:
        raise InputError("Pass either --scheduler or --workers, not both.")
    return local_crew(workers)


def _line(destination: Path, report: RestoreReport) -> str:
    from diffir_core.report import rounding_sentence

    line = (
        f"{destination}: {_count(report.planes)} in {report.seconds:.1f} s on "
        f"{report.device}, {report.clipped_values} values clipped to "
        f"{report.output_dtype}"
    )
    share = report.device_wait_share
    waited = "" if share is None else f", the device waited {share:.1%} of the time"
    return f"{line}{waited}.{rounding_sentence(report.rounded_to_levels)}"


def _count(planes: int) -> str:
    return "1 plane" if planes == 1 else f"{planes} planes"


def estimate_lines(found: Estimate) -> list[tuple[str, str]]:
    """Give an estimate as names and values to be read."""
    lines = [
        ("planes", str(found.planes)),
        ("tiles", str(found.tiles)),
        ("time", _duration(found.seconds)),
        ("main memory", _size(found.memory_bytes)),
        ("GPU memory", _size(found.device_memory_bytes)),
        ("temporary files", _size(found.temporary_file_bytes)),
        ("input", _size(found.input_bytes)),
        ("output", f"about {_size(found.output_bytes)}"),
    ]
    if found.free_disk_bytes is not None:
        fits = "" if found.fits else " - too little"
        lines.append(("free disk", _size(found.free_disk_bytes) + fits))
    return [*lines, ("device", found.device)]


def _size(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB" if count else "none"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
