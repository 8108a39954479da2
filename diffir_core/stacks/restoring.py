"""The calls that everybody uses: restore an array, or a file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import RestoreReport
from diffir_core.stacks.axes import StackLayout
from diffir_core.stacks.crew import Crew
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.reading import check_request
from diffir_core.stacks.sink import ArraySink
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.stream import RestoreProgress, restore_planes


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
    check_request(model, options)
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
    crew: Crew | None = None,
) -> RestoreReport:
    """Restore a file into an OME-TIFF or OME-Zarr, plane by plane.

    Pixel size, units, channel names and colours are kept, and the report is stored
    beside the pixels. The destination appears when it is whole, and not before; the job
    lies beside it as ``*.job.yaml``.

    Parameters
    ----------
    path
        TIFF, OME-TIFF, ImageJ TIFF, OME-Zarr, Zarr, or a folder of single planes.
    destination
        ``.ome.zarr`` (resolution levels, compressed) or ``.ome.tif``.
    model
        A stage-2 model.
    axes
        One letter a dimension; None is what the file says.
    options
        See `RestoreOptions`; None is the defaults, or when resuming, those it was begun
        with.
    overwrite
        Replace a finished or unfinished output; the old one stays until the new one
        is whole.
    resume
        Complete what was begun; the result equals that of an unbroken run. Another
        input, model or options are refused. Begins if nothing was begun.
    progress
        Called in this thread with every step.
    crew
        Other processes that do the work, from `local_crew` or `connected_crew` of
        `diffir_core.stacks.cluster`; the result is the same.
    """
    check_request(model, options)
    steps = restore_file_steps(
        path,
        destination,
        model,
        axes=axes,
        options=options,
        overwrite=overwrite,
        resume=resume,
        crew=crew,
    )
    return _exhaust(steps, progress)


def _exhaust(
    work: Generator[RestoreProgress, None, RestoreReport],
    progress: Callable[[RestoreProgress], None] | None,
) -> RestoreReport:
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            if progress:
                progress(step)
    finally:
        work.close()  # Whatever interrupts it, what is restored is written.
