"""The one call behind every door: read planes, restore them, write them."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.strips import HALO_ROWS
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping, fit_mapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import MappingReport, RestoreReport
from diffir_core.stacks.axes import PlaneIndex, StackLayout
from diffir_core.stacks.sink import ArraySink, StackSink, create_sink
from diffir_core.stacks.source import ArraySource, StackSource, open_source

_SAMPLED_PLANES = 64
_SAMPLED_VALUES = 100_000
_KINDS = "uif"


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
    _check_dtype(source.dtype)
    restorer, tally = Restorer(model, options), _Tally()
    planes = source.layout.planes(model.config.in_channels)
    chosen = _chosen_channels(source.layout, options)
    restored = [p for p in planes if chosen is None or p.channel in chosen]
    mappings = fit_mappings(source, restored, options)
    shared = _shared_iprs(source, restored, restorer, mappings)
    dtype = options.dtype(source.dtype)
    for number, plane in enumerate(planes):
        values = _read(source, plane)
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


def fit_mappings(
    source: StackSource, planes: list[PlaneIndex], options: RestoreOptions
) -> dict[int | None, IntensityMapping]:
    """Fit one intensity mapping a channel to planes spread over the whole stack."""
    by_channel: dict[int | None, list[PlaneIndex]] = {}
    for plane in planes:
        by_channel.setdefault(plane.channel, []).append(plane)
    return {
        channel: fit_mapping(_sample(source, members), options.intensity)
        for channel, members in by_channel.items()
    }


def _sample(source: StackSource, planes: list[PlaneIndex]) -> NDArray[Any]:
    """Give values of planes spread evenly, every so many pixels: bounded memory."""
    count = min(len(planes), _SAMPLED_PLANES)
    chosen = [planes[i * len(planes) // count] for i in range(count)]
    samples = []
    for plane in chosen:
        values = _read(source, plane).ravel()
        samples.append(values[:: max(1, values.size // _SAMPLED_VALUES)])
    return np.concatenate(samples)


def _shared_iprs(
    source: StackSource,
    planes: list[PlaneIndex],
    restorer: Restorer,
    mappings: dict[int | None, IntensityMapping],
) -> dict[int | None, IPR]:
    """Give the IPR of each channel where its planes share one; else nothing.

    The IPR of a stack comes from CPEN's features averaged over all its planes, as if
    they were one large image.
    """
    options = restorer.options
    if options.ipr is not None:
        return dict.fromkeys(mappings, options.ipr)
    if options.ipr_scope == "plane":
        return {}
    shared = {}
    for channel, mapping in mappings.items():
        members = [plane for plane in planes if plane.channel == channel]
        features = [
            restorer.features(mapping.to_model(_read(source, plane)))
            for plane in members
        ]
        mean = np.mean(np.asarray(features, np.float64), axis=0).astype(np.float32)
        shared[channel] = restorer.ipr_from(mean, f"{len(members)} planes")
    return shared


def _read(source: StackSource, plane: PlaneIndex) -> NDArray[Any]:
    values = source.read(plane)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        nan, inf = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        where = ", ".join(f"{axis}={i}" for axis, i in plane.position)
        raise InputError(
            f"The image has {nan} NaN and {inf} infinite values"
            f"{f' at {where}' if where else ''}; replace them with finite ones."
        )
    return values


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in _KINDS:
        raise InputError(
            f"Images of type {dtype} cannot be restored; use integers or floats."
        )


def _chosen_channels(layout: StackLayout, options: RestoreOptions) -> set[int] | None:
    if options.channels is None:
        return None
    axis = layout.channel_axis
    count = layout.size(axis) if axis else 1
    if axis is None or any(not 0 <= channel < count for channel in options.channels):
        raise InputError(
            f"Channels {list(options.channels)} were chosen, the image has {count} "
            "counted from 0."
        )
    return set(options.channels)


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


def restored_shape(layout: StackLayout, model: Model) -> tuple[int, ...]:
    """Give the shape of the result: Y and X times the model's scale."""
    return tuple(
        size * model.config.scale if axis in "YX" else size
        for axis, size in zip(layout.axes, layout.shape, strict=True)
    )


@overload
def restore(
    data: Any,
    model: Model,
    *,
    axes: str,
    options: RestoreOptions | None = ...,
    return_report: Literal[False] = ...,
) -> NDArray[Any]: ...


@overload
def restore(
    data: Any,
    model: Model,
    *,
    axes: str,
    options: RestoreOptions | None = ...,
    return_report: Literal[True],
) -> tuple[NDArray[Any], RestoreReport]: ...


def restore(
    data: Any,
    model: Model,
    *,
    axes: str,
    options: RestoreOptions | None = None,
    return_report: bool = False,
) -> NDArray[Any] | tuple[NDArray[Any], RestoreReport]:
    """Restore an image or stack.

    Parameters
    ----------
    data
        Array-like (numpy, dask, Zarr) of real numbers, any units; must be finite.
    model
        A stage-2 model from `load_model`.
    axes
        One letter a dimension, such as ``"YX"`` or ``"TCZYX"``.
    options
        See `RestoreOptions`.
    return_report
        Also give the report of what was done.

    Returns
    -------
    The restored array, of the input's axes, type and value range; Y and X are
    multiplied by the model's scale.
    """
    options = options or RestoreOptions()
    source = ArraySource(data, axes)
    shape = restored_shape(source.layout, model)
    sink = ArraySink(np.zeros(shape, options.dtype(source.dtype)))
    report = _exhaust(restore_planes(source, sink, model, options), None)
    return (sink.array, report) if return_report else sink.array


def restore_file(
    path: str | Path,
    destination: str | Path,
    model: Model,
    *,
    axes: str | None = None,
    options: RestoreOptions | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[RestoreProgress], None] | None = None,
) -> RestoreReport:
    """Restore a file into an OME-TIFF or OME-Zarr, plane by plane.

    Pixel size, units and channel names are kept and the report is stored beside the
    pixels. The destination appears when it is whole, and not before.
    """
    if resume:
        raise InputError(
            "This version cannot resume an interrupted restoration; run it again."
        )
    options = options or RestoreOptions()
    source = open_source(path, axes)
    try:
        sink = create_sink(
            destination,
            restored_shape(source.layout, model),
            options.dtype(source.dtype),
            source.metadata.scaled(model.config.scale),
            overwrite=overwrite,
        )
        return _exhaust(restore_planes(source, sink, model, options), progress)
    finally:
        source.close()


def _exhaust(
    work: Generator[RestoreProgress, None, RestoreReport],
    progress: Callable[[RestoreProgress], None] | None,
) -> RestoreReport:
    while True:
        try:
            step = next(work)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]
        if progress:
            progress(step)


def extract_ipr(
    image: Any,
    model: Model,
    *,
    axes: str,
    seed: int = 0,
    options: RestoreOptions | None = None,
) -> IPR:
    """Estimate the IPR of an image; of a stack, that of all its planes together."""
    chosen = (options or RestoreOptions()).replace(seed=seed)
    source, restorer = ArraySource(image, axes), Restorer(model, chosen)
    planes = source.layout.planes(model.config.in_channels)
    if len({plane.channel for plane in planes}) > 1:
        raise InputError("An IPR belongs to one channel; pass one channel at a time.")
    mappings = fit_mappings(source, planes, chosen)
    features = [
        restorer.features(mappings[plane.channel].to_model(_read(source, plane)))
        for plane in planes
    ]
    mean = np.mean(np.asarray(features, np.float64), axis=0).astype(np.float32)
    return restorer.ipr_from(mean, f"{axes} image of shape {source.shape}")
