"""Where the output of a stack goes: a proposal, and why a place will not do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from diffir_core.stacks.folders import result_name
from diffir_core.stacks.unfinished import Unfinished
from napari_diffir._preferences import preferences
from napari_diffir._stack_inputs import file_of, with_their_sets
from napari_diffir._wording import told

if TYPE_CHECKING:
    from napari.layers import Image


def place_beside(path: Path, *, is_folder_of_stacks: bool = False) -> Path:
    """Give a place beside a file or folder."""
    if is_folder_of_stacks:
        return path.with_name(f"{path.name} restored")
    name = result_name(path).replace(".ome.zarr", " restored.ome.zarr")
    return path.with_name(name)


def place_of_layer(layer: Image) -> Path:
    """Give a place beside the file of a layer, or in the preferred folder."""
    path = file_of(layer)
    if path is not None:
        return place_beside(path)
    safe = "".join(c if c.isalnum() or c in " -_" else "_" for c in layer.name)
    return preferences().outputs / f"{safe.strip()} restored.ome.zarr"


def check_place(
    place: Path, sources: Iterable[Path] = (), *, is_folder_of_stacks: bool = False
) -> None:
    """Refuse a place where nothing can be written, or sources are, with one sentence.

    Of a folder of stacks, each is looked at when its turn comes.
    """
    try:
        if is_folder_of_stacks:
            _check_folder(place)
        else:
            _check_file(place)
            _check_sources(place, sources)
    except OSError as error:
        raise told(error) from error


def _check_file(place: Path) -> None:
    from diffir_core.stacks.destination import check_destination

    check_destination(place)
    # While it is made, its name is longer, and so may be too long.
    Unfinished(place).folder.exists()


def _check_sources(place: Path, sources: Iterable[Path]) -> None:
    from diffir_core.stacks.destination import check_apart

    # Only what is there can be a file that is read together with others.
    check_apart(with_their_sets(sources) if place.exists() else sources, place)


def _check_folder(place: Path) -> None:
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is no folder; choose one for the results.")
    if not place.parent.is_dir():
        raise InputError(f"There is no folder {place.parent}; create it first.")
