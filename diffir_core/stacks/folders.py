"""What is in a folder of stacks, and what its results are called; without torch."""

from __future__ import annotations

from pathlib import Path

from diffir_core.errors import InputError
from diffir_core.stacks.source import files_of, open_source, tiff_files

_ENDINGS = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".btf", ".tf8", ".zarr")


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


def with_siblings(path: Path) -> set[Path]:
    """Give the files that are restored with this one."""
    try:
        source = open_source(path)
    except Exception:  # Said when it is restored.
        return set()
    try:
        return {file.resolve() for file in files_of(source)}
    finally:
        source.close()
