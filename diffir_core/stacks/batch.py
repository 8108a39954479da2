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
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.restoring import restore_file
from diffir_core.stacks.source import tiff_files

_ENDINGS = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".btf", ".tf8", ".zarr")


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
    what is finished and completes what is not.
    """
    target, sources = Path(destination), stacks_of(Path(folder))
    if target.resolve() == Path(folder).resolve():
        raise InputError(
            f"{target} is the input, too; choose another folder for the results."
        )
    target.mkdir(exist_ok=True)
    for source in sources:
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


def stacks_of(folder: Path) -> list[Path]:
    """List the TIFF and Zarr stacks of a folder; there must be one.

    Hidden ones are none: macOS writes ``._x.tif`` beside ``x.tif``. Two that would have
    results of the same name are refused.
    """
    zarrs = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".zarr")
    found = [p for p in (*tiff_files(folder), *zarrs) if not p.name.startswith(".")]
    if not found:
        raise InputError(f"There is no TIFF and no Zarr in {folder}; check its name.")
    _check_results_differ(found)
    return found


def _check_results_differ(sources: list[Path]) -> None:
    known: dict[str, Path] = {}
    for source in sources:
        other = known.setdefault(result_name(source), source)
        if other is not source:
            raise InputError(
                f"{other.name} and {source.name} in {source.parent} would both become "
                f"{result_name(source)}; rename one, or move it to another folder."
            )


def result_name(source: Path) -> str:
    """Give the name of a stack's result."""
    name = source.name
    for ending in (".ome.zarr", *_ENDINGS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    return f"{name}.ome.zarr"
