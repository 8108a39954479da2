"""A folder of stacks: one job each, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffir_core.errors import DiffIRError, InputError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import RestoreReport
from diffir_core.stacks.crew import Crew
from diffir_core.stacks.folders import result_name, stacks_of, with_siblings
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.restoring import restore_file


@dataclass(frozen=True, slots=True)
class FolderItem:
    """One stack of a folder, restored or failed."""

    source: Path
    destination: Path
    report: RestoreReport | None
    error: DiffIRError | None


def restore_folder(
    folder: str | Path,
    destination: str | Path,
    model: Model,
    *,
    axes: str | None = None,
    options: RestoreOptions | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[RestoreProgress], None] | None = None,
    crew: Crew | None = None,
) -> Iterator[FolderItem]:
    """Restore every TIFF and Zarr of a folder into an OME-Zarr of its name.

    What goes wrong with one is said in its item, and the others go on. Resuming skips
    what is finished and completes what is not. An OME-TIFF of several files is one
    stack, with the name of its first file.
    """
    target, sources = Path(destination), stacks_of(Path(folder))
    if target.resolve() == Path(folder).resolve():
        raise InputError(
            f"{target} is the input, too; choose another folder for the results."
        )
    target.mkdir(exist_ok=True)
    done: set[Path] = set()
    for source in sources:
        if source.resolve() in done:
            continue
        done |= with_siblings(source)
        result, report, failure = target / result_name(source), None, None
        try:
            report = restore_file(
                source,
                result,
                model,
                axes=axes,
                options=options,
                overwrite=overwrite,
                resume=resume,
                progress=progress,
                crew=crew,
            )
        except DiffIRError as error:
            failure = error
        except Exception as error:  # Whatever it is, it is about this stack.
            failure = _unforeseen(source, error)
        yield FolderItem(source, result, report, failure)


def _unforeseen(source: Path, error: Exception) -> DiffIRError:
    logging.getLogger(__name__).debug("%s failed", source, exc_info=error)
    text = " ".join(str(error).split())
    failure = InputError(f"it could not be restored ({type(error).__name__}: {text}).")
    failure.__cause__ = error
    return failure
