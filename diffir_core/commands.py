"""The commands `diffir restore` and `diffir estimate`, behind the command line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError

if TYPE_CHECKING:
    from diffir_core.command_requests import Request
    from diffir_core.stacks.crew import Crew
    from diffir_core.stacks.progress import RestoreProgress

Say = Callable[[str], None]
Show = Callable[["RestoreProgress"], None]


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
    from diffir_core.stacks.restoring import restore_file
    from diffir_core.wording import report_line

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
        _restore_folder(asked, asked.destination, say, arguments)
        return
    report = restore_file(asked.source, asked.destination, asked.model, **arguments)
    say(report_line(asked.destination, report))


def _restore_folder(
    asked: Request, target: Path, say: Say, arguments: dict[str, Any]
) -> None:
    """Restore each stack of a folder, and fail at the end if any has failed."""
    from diffir_core.stacks.batch import restore_folder
    from diffir_core.wording import report_line

    failed = 0
    for item in restore_folder(asked.source, target, asked.model, **arguments):
        if item.report:
            say(report_line(item.destination, item.report))
        else:
            say(f"{item.source}: {item.error}")
            failed += 1
    if failed:
        raise InputError(f"{failed} stacks could not be restored; see above.")


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
    from diffir_core.wording import estimate_lines

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
