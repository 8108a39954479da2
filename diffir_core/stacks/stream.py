"""The one way from a source to a sink: read a plane, restore it, write it."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.runner import HALO
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import MappingReport, RestoreReport
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.planes import MappedPlane
from diffir_core.stacks.preparing import (
    Shared,
    check_dtype,
    chosen_channels,
    fit_mappings,
    read_plane,
    restorer_of_images,
    shared_by_channel,
)
from diffir_core.stacks.sink import StackSink
from diffir_core.stacks.source import StackSource

_BATCH_PIXELS = 1 << 18


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """How far a restoration is; one comes after every strip."""

    planes_done: int
    planes: int
    fraction: float
    """Of the whole stack, 0 to 1."""
    finished_plane: PlaneIndex | None
    """The plane that has just been written, if one has."""


@dataclass(slots=True)
class _Tally:
    """What is counted on the way."""

    clipped: int = 0
    ipr_norms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """A plane of a batch; `mapped` is None if it is only copied."""

    index: PlaneIndex
    values: NDArray[Any]
    mapped: MappedPlane | None

    def result(self) -> NDArray[Any]:
        """Give the restored values, or those that are copied."""
        return self.values if self.mapped is None else self.mapped.restored


def restore_planes(
    source: StackSource, sink: StackSink, model: Model, options: RestoreOptions
) -> Generator[RestoreProgress, None, RestoreReport]:
    """Restore every plane of `source` into `sink`; return the report.

    Closing the generator stops within one strip and leaves nothing behind.
    """
    started = time.monotonic()
    try:
        report = yield from _restore_planes(source, sink, model, options, started)
        sink.finish(report.model_dump(mode="json"))
    except BaseException:
        sink.abort()
        raise
    return report


def _restore_planes(
    source: StackSource,
    sink: StackSink,
    model: Model,
    options: RestoreOptions,
    started: float,
) -> Generator[RestoreProgress, None, RestoreReport]:
    check_dtype(source.dtype)
    restorer, tally = restorer_of_images(model, options), _Tally()
    planes = source.layout.planes(model.config.in_channels)
    chosen = chosen_channels(source.layout, options)
    restored = [p for p in planes if chosen is None or p.channel in chosen]
    mappings = fit_mappings(source, restored, options)
    shared = shared_by_channel(source, restored, restorer, mappings)
    dtype, done = options.dtype(source.dtype), 0
    while done < len(planes):
        batch = planes[done : done + _batch_size(source, restorer)]
        items = []
        for plane in batch:
            values, mapped = read_plane(source, plane), None
            if plane in restored:
                mapping = mappings[plane.channel]
                mapped = MappedPlane(values, mapping, model.config, dtype)
            items.append(_Item(plane, values, mapped))
        for fraction in _restore_batch(restorer, items, shared, tally):
            whole = (done + fraction * len(batch)) / len(planes)
            yield RestoreProgress(done, len(planes), whole, None)
        for item in items:
            sink.write(item.index, item.result().astype(dtype, copy=False))
            tally.clipped += item.mapped.clipped if item.mapped else 0
            done += 1
            yield RestoreProgress(done, len(planes), done / len(planes), item.index)
    return _report(source, restorer, mappings, tally, len(restored), started)


def _batch_size(source: StackSource, restorer: Restorer) -> int:
    """Give how many planes make enough work for all threads."""
    pixels = source.layout.size("Y") * source.layout.size("X")
    return min(restorer.largest_batch(), max(1, _BATCH_PIXELS // pixels))


def _restore_batch(
    restorer: Restorer,
    items: list[_Item],
    shared: dict[int | None, Shared],
    tally: _Tally,
) -> Generator[float, None, None]:
    work = [(item.mapped.plane, item.index.channel) for item in items if item.mapped]
    if not work:
        return
    own = [plane for plane, channel in work if shared[channel].ipr is None]
    features = iter((yield from _without_progress(restorer.features(own))))
    jobs = []
    for plane, channel in work:
        ipr = shared[channel].ipr or restorer.ipr_from(next(features), "")
        tally.ipr_norms.append(float(np.linalg.norm(ipr.vector)))
        job = restorer.job(plane, ipr)
        job.attention = dict(shared[channel].attention or {})
        jobs.append(job)
    yield from restorer.restore(jobs)


def _without_progress(
    steps: Generator[float, None, list[NDArray[np.float32]]],
) -> Generator[float, None, list[NDArray[np.float32]]]:
    """Run steps that are too short to count, but can still be cancelled."""
    try:
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            yield 0.0
    finally:
        steps.close()


def _report(
    source: StackSource,
    restorer: Restorer,
    mappings: dict[int | None, IntensityMapping],
    tally: _Tally,
    planes: int,
    started: float,
) -> RestoreReport:
    options, model, plan = restorer.options, restorer.model, restorer.last_plan
    return RestoreReport(
        model_name=model.name,
        model_fingerprint=model.fingerprint,
        planes=planes,
        tiles=restorer.tiles_done,
        halo=HALO,
        device=str(restorer.device),
        device_reason=restorer.device_reason,
        precision=restorer.precision.name,
        precision_reason=restorer.precision.reason,
        precision_psnr_db=restorer.precision_psnr_db,
        kernels=restorer.streams.name,
        seconds=round(time.monotonic() - started, 3),
        predicted_peak_bytes=plan.peak_bytes if plan else 0,
        temporary_file_bytes=plan.file_bytes if plan else 0,
        clipped_values=tally.clipped,
        output_dtype=str(options.dtype(source.dtype)),
        mappings=tuple(
            MappingReport(channel=channel or 0, offset=m.offset, scale=m.scale)
            for channel, m in mappings.items()
        ),
        seed=options.seed,
        ipr_source="given" if options.ipr else options.ipr_scope,
        ipr_mean_norm=float(np.mean(tally.ipr_norms)),
        versions={
            "napari-diffir": version("napari-diffir"),
            "torch": version("torch"),
            "python": platform.python_version(),
        },
        options=options.model_dump(mode="json"),
    )
