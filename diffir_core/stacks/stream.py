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
from diffir_core.engine.strips import HALO_ROWS
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import MappingReport, RestoreReport
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.preparing import (
    check_dtype,
    chosen_channels,
    fit_mappings,
    read_plane,
    shared_iprs,
)
from diffir_core.stacks.sink import StackSink
from diffir_core.stacks.source import StackSource


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
    restorer, tally = Restorer(model, options), _Tally()
    planes = source.layout.planes(model.config.in_channels)
    chosen = chosen_channels(source.layout, options)
    restored = [p for p in planes if chosen is None or p.channel in chosen]
    mappings = fit_mappings(source, restored, options)
    shared = shared_iprs(source, restored, restorer, mappings)
    dtype = options.dtype(source.dtype)
    for number, plane in enumerate(planes):
        values = read_plane(source, plane)
        if plane in restored:
            mapping, ipr = mappings[plane.channel], shared.get(plane.channel)
            work = _restore_plane(restorer, mapping, values, ipr, tally)
            while True:
                try:
                    fraction = (number + next(work)) / len(planes)
                except StopIteration as finished:
                    values, clipped = mapping.from_model(finished.value, dtype)
                    tally.clipped += clipped
                    break
                yield RestoreProgress(number, len(planes), fraction, None)
        sink.write(plane, values.astype(dtype))
        done = number + 1
        yield RestoreProgress(done, len(planes), done / len(planes), plane)
    return _report(source, restorer, mappings, tally, len(restored), started)


def _restore_plane(
    restorer: Restorer,
    mapping: IntensityMapping,
    values: NDArray[Any],
    shared: IPR | None,
    tally: _Tally,
) -> Generator[float, None, NDArray[np.float32]]:
    lq = mapping.to_model(values)
    ipr = shared or restorer.extract_ipr(lq)
    tally.ipr_norms.append(float(np.linalg.norm(ipr.vector)))
    return (yield from restorer.restore(lq, ipr))


def _report(
    source: StackSource,
    restorer: Restorer,
    mappings: dict[int | None, IntensityMapping],
    tally: _Tally,
    planes: int,
    started: float,
) -> RestoreReport:
    layout, options, model = source.layout, restorer.options, restorer.model
    return RestoreReport(
        model_name=model.name,
        model_fingerprint=model.fingerprint,
        planes=planes,
        strips=restorer.runner.strips_done,
        halo_rows=HALO_ROWS,
        device=str(restorer.device),
        precision="float32",
        seconds=round(time.monotonic() - started, 3),
        predicted_peak_bytes=restorer.predicted_peak_bytes(
            layout.size("Y"), layout.size("X")
        ),
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
