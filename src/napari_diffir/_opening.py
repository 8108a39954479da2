"""Files as layers that are read lazily, with their metadata; a reader of napari."""

from __future__ import annotations

import weakref
from collections.abc import Callable
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
    arguments = placement(source.metadata) | {
        "name": path.name.split(".")[0],
        "contrast_limits": contrast_limits(source),
        "multiscale": len(levels) > 1,
        "metadata": {SOURCE_KEY: str(path.resolve())},
    }
    return (levels if len(levels) > 1 else levels[0]), arguments, "image"


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
