"""What a restoration will take, before it is begun."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core._base import FrozenConfig
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.intensity import fit_mapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.checking import output_bytes
from diffir_core.stacks.destination import (
    check_apart,
    check_axes_held,
    check_name,
    check_type,
)
from diffir_core.stacks.planes import DiscardedPlane
from diffir_core.stacks.planning import prepare, waiting_bytes
from diffir_core.stacks.reading import read_plane
from diffir_core.stacks.source import StackSource, files_of, open_source
from diffir_core.stacks.subsampling import spread
from diffir_core.stacks.work import StackWork

_TIMED_SIDE = 256
_LIBRARIES_BYTES = 400_000_000


class Estimate(FrozenConfig):
    """A forecast; times are of this machine as busy as it is now."""

    planes: int
    """That are restored; others are copied."""
    tiles: int
    """Strips of panels, block by block, as the report counts them."""
    seconds: float
    """From a timed tile of the middle plane, times the pixels of all."""
    timed_tile_seconds: float
    memory_bytes: int
    """Largest main memory of the process: libraries, planes on their way, and on a CPU
    the working memory."""
    device_memory_bytes: int
    """Of a GPU; 0 on a CPU."""
    temporary_file_bytes: int
    """Where the working memory does not fit the budget."""
    input_bytes: int
    output_bytes: int
    """As well as the compression of one plane tells."""
    free_disk_bytes: int | None
    """Where the output would be; None if no output was named."""
    device: str

    @property
    def fits(self) -> bool:
        """Whether the output fits the disk."""
        return self.free_disk_bytes is None or self.output_bytes <= self.free_disk_bytes


def estimate(
    path: str | Path | StackSource,
    model: Model,
    *,
    axes: str | None = None,
    options: RestoreOptions | None = None,
    destination: str | Path | None = None,
) -> Estimate:
    """Say what restoring a file will take; one tile is restored, nothing is written.

    An open source may be given in its place; it is closed.
    """
    target = Path(destination) if destination else None
    if target is not None:
        check_name(target)  # Its folder may still have to be made.
        if isinstance(path, (str, Path)):
            check_apart([Path(path)], target)
    source = open_source(path, axes) if isinstance(path, (str, Path)) else path
    try:
        work = prepare(source, model, options or RestoreOptions())
        if target is not None:
            check_apart(files_of(source), target)
            check_type(target, work.dtype)
            check_axes_held(target, work.source.layout.axes)
        return _estimate(work, target)
    finally:
        source.close()


def _estimate(work: StackWork, destination: Path | None) -> Estimate:
    layout, restorer = work.source.layout, work.restorer
    height, width = layout.size("Y"), layout.size("X")
    planes = work.restored_planes
    plan = restorer.memory.of_planes(height, width, work.conditions.batch)
    on_cpu = restorer.device.type == "cpu"
    values = int(np.prod(work.source.shape)) * work.source.dtype.itemsize
    in_hand = 2 * values // len(work.planes) * work.conditions.batch
    beside = _LIBRARIES_BYTES + in_hand
    if not on_cpu:
        pixels = height * width * work.conditions.batch
        beside += waiting_bytes(work) + restorer.memory.mean_bytes(pixels)
    seconds, tiles, pixels = _timed_tile(work, planes)
    share = height * width * len(planes) / pixels
    return Estimate(
        planes=len(planes),
        tiles=round(tiles * share),
        seconds=round(seconds * share, 1),
        timed_tile_seconds=round(seconds, 4),
        memory_bytes=beside + (plan.peak_bytes if on_cpu else 0),
        device_memory_bytes=0 if on_cpu else plan.peak_bytes,
        temporary_file_bytes=plan.file_bytes,
        input_bytes=values,
        output_bytes=output_bytes(work, destination or Path("out.ome.zarr")),
        free_disk_bytes=_free(destination),
        device=str(restorer.device),
    )


def _timed_tile(work: StackWork, planes: list[PlaneIndex]) -> tuple[float, int, int]:
    """Restore a tile of the middle plane twice; give seconds, strips and pixels."""
    values = read_plane(work.source, spread(planes, 2)[-1])
    top, left = ((size - _TIMED_SIDE) // 2 for size in values.shape[1:])
    rows = slice(max(0, top), max(0, top) + _TIMED_SIDE)
    tile = values[:, rows, max(0, left) : max(0, left) + _TIMED_SIDE]
    _restore(work.restorer, tile)  # The first time compiles and fills caches.
    before, started = work.restorer.tiles_done, time.monotonic()
    _restore(work.restorer, tile)
    seconds = time.monotonic() - started
    pixels = tile.shape[1] * tile.shape[2]
    return seconds, work.restorer.tiles_done - before, pixels


def _restore(restorer: Restorer, tile: NDArray[Any]) -> None:
    mapping = fit_mapping(tile, restorer.options.intensity)
    plane = DiscardedPlane(tile, mapping, restorer.config).plane
    ipr = restorer.options.ipr
    if ipr is None:
        ipr = restorer.ipr_from(exhaust(restorer.features([plane]))[0], "")
    exhaust(restorer.restore([restorer.job(plane, ipr)]))


def _free(destination: Path | None) -> int | None:
    if destination is None or not destination.parent.is_dir():
        return None
    return shutil.disk_usage(destination.parent).free
