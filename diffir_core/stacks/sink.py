"""Where restored planes go: arrays and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError, OutputExistsError
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.metadata import StackMetadata


class StackSink(Protocol):
    """A stack that is written plane by plane, and is whole only when finished."""

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> None:
        """Write one plane, (channels, Y, X)."""

    def finish(self, provenance: dict[str, Any]) -> None:
        """Make the result whole, with what is known of its making."""

    def abort(self) -> None:
        """Leave nothing behind."""


class ArraySink:
    """An array that the caller owns."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> None:
        """Write one plane, (channels, Y, X)."""
        plane.put(self.array, values)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Do nothing: the array has no place for a provenance."""

    def abort(self) -> None:
        """Do nothing: the array is the caller's."""


def create_sink(
    path: str | Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    metadata: StackMetadata,
    *,
    overwrite: bool = False,
) -> StackSink:
    """Create an OME-TIFF (``.tif``, ``.tiff``) or an OME-Zarr (``.zarr``).

    `shape` and `metadata.axes` are the result's. Nothing is there under `path` before
    the sink is finished; with `overwrite`, the old file stays until then.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".tif", ".tiff", ".zarr"):
        raise InputError(
            f"Cannot write '{path.name}'; name it .ome.tif, .tif or .ome.zarr."
        )
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; create it first.")
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} is already there; choose another name or pass --overwrite."
        )
    if kind == ".zarr":
        from diffir_core.stacks._ome_zarr import ZarrSink

        return ZarrSink(path, shape, dtype, metadata)
    from diffir_core.stacks._tiff import TiffSink

    return TiffSink(path, shape, dtype, metadata)
