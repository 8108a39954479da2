"""What of a stack's metadata survives a restoration: a table, each cell looked up.

``python benchmarks/metadata.py`` writes an OME-TIFF and an ImageJ TIFF by tifffile, and
an OME-Zarr, with pixel sizes, units, positions, names and colours of channels; restores
each into an OME-Zarr and an OME-TIFF with a tiny network; and prints for every field
whether the result says the same as the input, or that the input's format has no such.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from streaming import exhaust, tiny_model

import diffir_core as diffir
from diffir_core.model import Model
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.metadata import StackMetadata
from diffir_core.stacks.provenance import provenance, stored_iprs
from diffir_core.stacks.source import ArraySource, open_source

SHAPE = (2, 3, 2, 64, 72)
AXES = "TZCYX"
KNOWN = StackMetadata(
    AXES,
    {"T": 2.0, "Z": 0.5, "Y": 0.2, "X": 0.25},
    {"T": "second", "Z": "micrometer", "Y": "micrometer", "X": "micrometer"},
    ("DAPI", "GFP"),
    "an embryo",
    {"Z": 3.0, "Y": -10.0, "X": 7.5},
    ("0000FF", "00FF00"),
    plane_times={
        "DeltaT": tuple(0.1 * number for number in range(12)),
        "ExposureTime": (0.05,) * 12,
    },
    acquired="2024-05-06T07:08:09",
    channel_details={
        "EmissionWavelength": ("461", "509"),
        "EmissionWavelengthUnit": ("nm", "nm"),
    },
)
FIELDS = (
    *("pixel_size", "units", "translate", "channel_names", "channel_colors", "name"),
    *("acquired", "channel_details", "plane_times"),
)
ONLY_OME_TIFF = {"acquired", "channel_details", "plane_times"}
"""OME-Zarr has no place for them."""


def write_inputs(folder: Path, model: Model) -> dict[str, Path]:
    """Write one stack in three formats."""
    values = np.random.default_rng(0).integers(90, 900, SHAPE, np.uint16)
    paths = {
        kind: folder / f"in.{ending}"
        for kind, ending in (
            ("OME-TIFF", "ome.tif"),
            ("ImageJ TIFF", "tif"),
            ("OME-Zarr", "ome.zarr"),
        )
    }
    _write_ome_tiff(paths["OME-TIFF"], values)
    _write_imagej(paths["ImageJ TIFF"], values)
    source = ArraySource(values, AXES, KNOWN)
    exhaust(restore_file_steps(source, paths["OME-Zarr"], model))
    return paths


def _write_ome_tiff(path: Path, values: NDArray[np.uint16]) -> None:
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5}
    count = int(np.prod(SHAPE[:3]))
    place = {"PositionX": 7.5, "PositionY": -10.0, "PositionZ": 3.0}
    units = {f"{key}Unit": "µm" for key in place}
    metadata = {
        "axes": AXES,
        "Name": KNOWN.name,
        **sizes,
        "TimeIncrement": 2.0,
        "AcquisitionDate": KNOWN.acquired,
        "Channel": {
            "Name": ["DAPI", "GFP"],
            "Color": [65535, 16711935],
            **KNOWN.channel_details,
        },
        "Plane": {
            **{key: [value] * count for key, value in (place | units).items()},
            **KNOWN.plane_times,
        },
    }
    tifffile.imwrite(path, values, ome=True, metadata=metadata)


def _write_imagej(path: Path, values: NDArray[np.uint16]) -> None:
    ramp = np.arange(256, dtype=np.uint8)
    blue, green = np.zeros((2, 3, 256), np.uint8)
    blue[2], green[1] = ramp, ramp
    metadata: dict[str, Any] = {"axes": AXES, "unit": "um", "spacing": 0.5}
    # ImageJ says at which pixel the origin of its units is.
    metadata |= {"xorigin": -30.0, "yorigin": 50.0, "zorigin": -6.0}
    metadata |= {"finterval": 2.0, "Labels": ["DAPI", "GFP"], "LUTs": [blue, green]}
    tifffile.imwrite(path, values, imagej=True, resolution=(4, 5), metadata=metadata)


def compared(source: Path, result: Path) -> dict[str, str]:
    """Say for each field whether the result has it from the source."""
    before, after = open_source(source), open_source(result)
    found = {}
    for field in FIELDS:
        known, kept = getattr(before.metadata, field), getattr(after.metadata, field)
        found[field] = "kept" if _same(known, kept) else f"LOST: {known} is {kept}"
        if not known:
            found[field] = "-"
        elif field in ONLY_OME_TIFF and result.is_dir():
            found[field] = "left out"
    found["axes"] = _order(before.metadata.axes, after.metadata.axes)
    found["type"] = "kept" if before.dtype == after.dtype else "LOST"
    found["report"] = "stored" if provenance(result) else "LOST"
    found["IPRs"] = "stored" if stored_iprs(result) is not None else "LOST"
    before.close()
    after.close()
    return found


def _same(known: Any, kept: Any) -> bool:
    if isinstance(known, dict):
        return known.keys() == kept.keys() and all(
            np.allclose(kept[key], value)
            if np.asarray(value).dtype.kind == "f"
            else kept[key] == value
            for key, value in known.items()
        )
    return bool(known == kept)


def _order(before: str, after: str) -> str:
    if before == after:
        return "kept"
    same = sorted(before) == sorted(after)
    return f"as {after}" if same else f"LOST: {before} is {after}"


def main() -> None:
    """Write, restore, compare, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = diffir.load_model(tiny_model(folder))
        columns = {}
        for kind, source in write_inputs(folder, model).items():
            for ending, title in (("ome.zarr", "OME-Zarr"), ("ome.tif", "OME-TIFF")):
                result = folder / f"{source.name}.{ending}"
                diffir.restore_file(source, result, model)
                columns[f"{kind} → {title}"] = compared(source, result)
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for field in next(iter(columns.values())):
        cells = (found[field] for found in columns.values())
        print(f"| {field} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
