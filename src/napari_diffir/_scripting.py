"""Restoring layers, for scripts and for the widget: the same steps."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffir_core.errors import InputError
from napari_diffir._layers import Placement, axes_of, full_resolution, placement_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.stream import RestoreProgress


RestoreResult = tuple[Any, int, dict[str, Any]]
"""The restored array, the scale of the model, and the report."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value."""

    error: Exception


@dataclass(frozen=True, slots=True)
class RestoredLayer:
    """A restored array with the arguments of its future layer."""

    data: Any
    arguments: dict[str, Any]
    contrast_range: tuple[float, float]

    def add_to(self, viewer: napari.Viewer) -> Image:
        """Add the layer; to be called on the main thread."""
        layer = viewer.add_image(self.data, **self.arguments)
        # Or the slider would end at the limits that the source had.
        layer.contrast_limits_range = self.contrast_range
        return layer


def restore_steps(
    data: Any,
    axes: str,
    model: str | Path,
    options: RestoreOptions,
) -> Generator[RestoreProgress, None, RestoreResult]:
    """Restore an array step by step; return it with the scale and the report.

    Runs on any thread: it touches no layer.
    """
    from diffir_core.checkpoint import load_model
    from diffir_core.stacks.reading import check_request
    from diffir_core.stacks.restoring import restored_shape
    from diffir_core.stacks.sink import ArraySink
    from diffir_core.stacks.source import ArraySource
    from diffir_core.stacks.stream import restore_planes

    loaded = load_model(model)
    check_request(loaded, options)
    source = ArraySource(data, axes)
    shape = restored_shape(source.layout, loaded)
    sink = ArraySink(np.zeros(shape, options.dtype(source.dtype)))
    report = yield from restore_planes(source, sink, loaded, options)
    return sink.array, loaded.config.scale, report.model_dump(mode="json")


def steps_or_failure(
    data: Any, axes: str, model: str | Path, options: RestoreOptions
) -> Generator[RestoreProgress, None, RestoreResult | Failure]:
    """Do as `restore_steps` does, for a worker: an error is returned, not raised.

    napari 0.9.2 answers the error of a worker with a TypeError of its own.
    """
    try:
        return (yield from restore_steps(data, axes, model, options))
    except Exception as error:
        return Failure(error)


def restored_layer(source: Image | Placement, result: RestoreResult) -> RestoredLayer:
    """Give the restored array the looks and the place of its source.

    What runs in the background asks for a layer's `placement_of` when it begins: the
    layer may have other data, another place or none by the time the result is there.
    """
    data, scale, report = result
    place = source if isinstance(source, Placement) else placement_of(source)
    arguments = place.arguments(scale) | {"metadata": {"diffir": report}}
    return RestoredLayer(data, arguments, place.contrast_range)


def restore_layer(
    viewer: napari.Viewer,
    layer: Image,
    model: str | Path = "fluo-denoise",
    options: RestoreOptions | None = None,
    axes: str | None = None,
) -> Image:
    """Restore an image layer, and add the result to the viewer.

    Parameters
    ----------
    viewer
        The viewer that receives the result, on whose thread this is called.
    layer
        The image layer to restore; it is not changed.
    model
        A shipped model's name or a weights file.
    options
        See `diffir_core.RestoreOptions`.
    axes
        One letter a dimension of the layer's array; read from its labels if absent.

    Returns
    -------
    The new layer, with the scale, position, units, labels, contrast and colormap of
    its source.

    Raises
    ------
    InputError
        If it is no image layer, or cannot be restored so, or on another thread.
    """
    from diffir_core.options import RestoreOptions

    _refuse_others(layer)
    _refuse_threads(viewer)
    axes = axes or axes_of(layer)[0]
    options = options or RestoreOptions()
    place = placement_of(layer, axes)
    work = restore_steps(full_resolution(layer), axes, model, options)
    while True:
        try:
            next(work)
        except StopIteration as finished:
            return restored_layer(place, finished.value).add_to(viewer)


def _refuse_others(layer: Any) -> None:
    """Say of a layer of labels, points or the like that it is no image."""
    from napari.layers import Image

    if not isinstance(layer, Image):
        name, kind = getattr(layer, "name", layer), layer.__class__.__name__
        raise InputError(
            f"Only image layers can be restored, and '{name}' is of type {kind}."
        )


def _refuse_threads(viewer: Any) -> None:
    """Say at the beginning that a window takes no layer from another thread."""
    is_main = threading.current_thread() is threading.main_thread()
    if hasattr(viewer, "window") and not is_main:
        raise InputError(
            "restore_layer adds a layer, which napari allows on its main thread alone; "
            "in a thread call diffir_core.restore, and add its result afterwards."
        )
