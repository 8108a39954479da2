"""Files as layers that are read lazily, with their metadata; a reader of napari."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffir_core.errors import DiffIRError

if TYPE_CHECKING:
    from diffir_core.stacks.metadata import StackMetadata
    from diffir_core.stacks.source import StackSource

LayerData = tuple[Any, dict[str, Any], str]
SOURCE_KEY = "diffir_file"
"""Of a layer's metadata: the file whose unchanged pixels the layer shows."""
_PERCENTILES = (1.0, 99.8)


def open_layer(path: Path) -> LayerData:
    """Open a TIFF or OME-Zarr as a lazy layer, with all its resolution levels.

    Raises `InputError` for what is no image or does not name its axes.
    """
    from diffir_core.stacks.source import open_source

    source = open_source(path)
    levels = list(getattr(source, "levels", ()))
    # The file stays open as long as the layer may read it.
    weakref.finalize(levels[0], source.close)
    metadata, moved = _planes_last(source.metadata, levels)
    arguments = placement(metadata) | {
        "name": path.name.split(".")[0],
        "contrast_limits": contrast_limits(source),
        "multiscale": len(levels) > 1,
        # Of a layer with other axes than the file, the pixels are read, not the file.
        "metadata": {SOURCE_KEY: str(path.resolve())} if moved is levels else {},
    }
    return (moved if len(moved) > 1 else moved[0]), arguments, "image"


def _planes_last(
    metadata: StackMetadata, levels: list[Any]
) -> tuple[StackMetadata, list[Any]]:
    """Let Y and X be the last axes, as napari shows the last two, and samples after.

    The levels come back as they are where that is so.
    """
    axes = metadata.axes
    order = sorted(range(len(axes)), key=lambda n: "YXS".find(axes[n]))
    if order == list(range(len(axes))):
        return metadata, levels
    import dask.array

    lazy: Any = dask.array.from_array  # Untyped.
    moved = [lazy(level).transpose(order) for level in levels]
    return replace(metadata, axes="".join(axes[n] for n in order)), moved


def placement(metadata: StackMetadata) -> dict[str, Any]:
    """Give the arguments of a layer that say where and how large its pixels are."""
    is_rgb = metadata.axes.endswith("S")
    axes = metadata.axes[:-1] if is_rgb else metadata.axes
    return {
        "axis_labels": tuple(axis.lower() for axis in axes),
        "scale": [metadata.pixel_size.get(axis, 1.0) for axis in axes],
        "translate": [metadata.translate.get(axis, 0.0) for axis in axes],
        "units": [_shown_unit(metadata.units.get(axis, "pixel")) for axis in axes],
        "rgb": is_rgb,
    }


def _shown_unit(unit: str) -> str:
    """Give a unit that napari knows: files also have 'slice' or 'frame'."""
    import pint

    known: Any = pint.get_application_registry  # Untyped.
    return unit if unit in known() else "pixel"


def contrast_limits(source: StackSource) -> tuple[float, float]:
    """Give limits that suit the middle plane; 0 and 1 if it holds no numbers.

    Those of colours are the range of their type: any other would change them.
    """
    if source.metadata.axes.endswith("S"):
        return _range_of(source.dtype)
    planes = source.layout.planes(1)
    values = source.read(planes[len(planes) // 2])[..., ::4, ::4]
    # As floats: NumPy has no percentiles of a mask.
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, _PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _range_of(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind not in "iu":
        return 0.0, 1.0
    whole = np.iinfo(dtype)
    return float(whole.min), float(whole.max)


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Offer to read a TIFF or OME-Zarr; None leaves it to another reader.

    What does not name its axes is left to others, too.
    """
    if not isinstance(path, str):
        return None
    try:
        opened = open_layer(Path(path))
    except (DiffIRError, NotImplementedError):
        return None
    return lambda _: [opened]
