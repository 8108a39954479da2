"""OME-TIFF: BigTIFF, tiled, laid out at once and filled plane by plane."""

from __future__ import annotations

import io
import json
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.report import RestoreReport
from diffir_core.stacks._tiff_layout import TiffLayout
from diffir_core.stacks._tiff_tags import Contents, first_page, place_of, replace_tags
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.ledger import Ledger, iprs
from diffir_core.stacks.metadata import ImageSpec, StackMetadata, axis_symbol, legible
from diffir_core.stacks.units import checksum

IPRS_TAG = 65256
"""A private tag of the first page: the length of an IPR and the IPRs of the restored
planes, one after the other; a single 0 if planes have none of their own."""
_DESCRIPTION_TAG = 270
_TAGS = {_DESCRIPTION_TAG, IPRS_TAG}
_SIZES = {
    "X": "PhysicalSizeX",
    "Y": "PhysicalSizeY",
    "Z": "PhysicalSizeZ",
    "T": "TimeIncrement",
}


class TiffSink:
    """An OME-TIFF whose planes are written at their places, in any order, and again.

    Not compressed: so every place is known from the start, no plane is ever moved,
    and nothing is staged elsewhere. What is not yet written takes no disk.
    """

    def __init__(self, path: Path, spec: ImageSpec) -> None:
        self._path, self._spec, self._layout = path, spec, TiffLayout(spec)
        with tifffile.TiffFile(path) as file:
            self._order = file.byteorder
            self._offsets = [int(page.dataoffsets[0]) for page in file.pages]
        with path.open("rb") as raw:
            tags = first_page(raw).entries
        if len(self._offsets) != self._layout.page_count or not _TAGS <= set(tags):
            raise InputError(f"{path} is cut short, and has to be begun anew.")

    @classmethod
    def create(cls, path: Path, spec: ImageSpec) -> Self:
        """Lay the file out, empty."""
        layout = TiffLayout(spec)
        tile = bytes(layout.tile_bytes)
        with (
            _Sparse(path, tile) as file,
            tifffile.TiffWriter(file, bigtiff=True, ome=True) as writer,
        ):
            writer.write(
                repeat(tile, layout.tile_count),
                shape=layout.shape,
                dtype=spec.dtype,
                tile=layout.tile,
                photometric=_photometric(layout, spec.metadata),
                planarconfig="contig" if layout.samples > 1 else None,
                extratags=[(IPRS_TAG, tifffile.DATATYPE.FLOAT, 1, 0.0, True)],
                metadata=_ome(layout, spec, {"state": "unfinished"}),
            )
        return cls(path, spec)

    @classmethod
    def attach(cls, path: Path, spec: ImageSpec) -> Self:
        """Open what `create` made, to go on or to take part."""
        return cls(path, spec)

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> tuple[int, ...]:
        """Write one plane, (channels, Y, X); give its checksum."""
        with self._path.open("r+b", buffering=0) as file:
            for part in self._layout.parts(plane, values):
                image = part.image
                if part.samples is not None:  # The others of these pixels stay.
                    image = self._read(part.page).copy()
                    image[:, :, part.samples] = part.image
                file.seek(self._offsets[part.page])
                _write_all(file, self._layout.cut(image))
        return (checksum(values),)

    def checksums(self, plane: PlaneIndex) -> tuple[int, ...]:
        """Read a plane back from the disk."""
        values = np.empty(self._layout.plane_shape(plane), self._spec.dtype)
        for part in self._layout.parts(plane, values):
            whole = self._read(part.page)
            part.image[...] = whole[:, :, part.samples or slice(None)]
        return (checksum(values),)

    def _read(self, page: int) -> NDArray[Any]:
        """Read a page, (Y, X, samples)."""
        with self._path.open("rb") as file:
            file.seek(self._offsets[page])
            return self._layout.joined(file.read(self._layout.page_bytes))

    def finish(self, report: RestoreReport, ledger: Ledger) -> None:
        """Add what is known of the making, and bring everything to the disk."""
        made = report.model_dump(mode="json")
        metadata = _ome(self._layout, self._spec, made)
        xml = tifffile.OmeXml()
        xml.addimage(
            dtype=self._spec.dtype,
            shape=self._layout.shape,
            storedshape=self._layout.stored_shape,
            **metadata,
        )
        text = xml.tostring(declaration=True).encode() + b"\0"
        tags = {_DESCRIPTION_TAG: Contents(len(text), text)}
        if (vectors := iprs(ledger)) is not None:
            values = np.concatenate([[vectors.shape[1]], vectors.ravel()])
            tags[IPRS_TAG] = Contents(
                values.size, values.astype(f"{self._order}f4").tobytes()
            )
        # Where tifffile has put the last it wrote, behind all pixels and directories.
        replace_tags(self._path, place_of(self._path, _DESCRIPTION_TAG), tags)


class _Sparse(io.FileIO):
    """A file that skips over one block of zeros instead of writing it."""

    def __init__(self, path: Path, zeros: bytes) -> None:
        super().__init__(path, "w+b")
        self._zeros = zeros

    def write(self, data: Any) -> int:
        """Write, or skip what would be zeros anyway."""
        if data is self._zeros:
            end = self.tell() + len(data)
            self.truncate(end)
            self.seek(end)
            return len(data)
        return super().write(data)


def _write_all(file: io.RawIOBase, values: NDArray[Any]) -> None:
    view = memoryview(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    while view:
        view = view[file.write(view) or 0 :]


def _photometric(layout: TiffLayout, metadata: StackMetadata) -> str:
    if layout.is_rgb:
        return "rgb"
    return "miniswhite" if metadata.white_is_zero else "minisblack"


def _ome(layout: TiffLayout, spec: ImageSpec, made: dict[str, Any]) -> dict[str, Any]:
    """Describe the image in the words of tifffile."""
    metadata, axes = spec.metadata, layout.axes
    # Non-ASCII is escaped, and so are control characters.
    text = json.dumps({"diffir": made, "diffir_job": spec.job})
    described: dict[str, Any] = {"axes": axes, "Name": legible(metadata.name)}
    described["Description"] = text
    described |= _sizes(metadata)
    if channel := _channels(spec):
        described["Channel"] = channel
    if planes := _planes(layout, spec):
        described["Plane"] = planes
    return described


def _planes(layout: TiffLayout, spec: ImageSpec) -> dict[str, list[Any]]:
    """Give each page its position, as far as it is known and not the origin."""
    metadata, pages = spec.metadata, {}
    for axis in "XYZ":
        symbol = axis_symbol(axis, metadata.units.get(axis, ""))
        if values := _of_each_page(axis, layout, spec):
            pages[f"Position{axis}"] = values
            pages[f"Position{axis}Unit"] = [symbol or "pixel"] * layout.page_count
    return pages


def _of_each_page(axis: str, layout: TiffLayout, spec: ImageSpec) -> list[Any]:
    """Give positions by page: as stored, or from where the first one is."""
    metadata = spec.metadata
    if stored := metadata.stage_positions.get(axis):
        outer = [n for n, letter in enumerate(metadata.axes) if letter not in "YXS"]
        by_plane = np.reshape(stored, [spec.shape[n] for n in outer])
        index = tuple(layout.indices(metadata.axes[n]) for n in outer)
        return [float(value) for value in np.atleast_1d(by_plane[index])]
    first = metadata.translate.get(axis)
    if not first:
        return []
    step = metadata.pixel_size.get("Z", 0.0) if axis == "Z" else 0.0
    return [first + step * n for n in layout.indices("Z")]


def _channels(spec: ImageSpec) -> dict[str, Any]:
    """Describe as many channels as there are, if anything is known of them."""
    metadata = spec.metadata
    if "S" in metadata.axes and "C" not in metadata.axes:
        return {}
    count = dict(zip(metadata.axes, spec.shape, strict=True)).get("C", 1)
    described: dict[str, Any] = {}
    if names := metadata.channel_names[:count]:
        described["Name"] = [*names, *[""] * (count - len(names))]
    if colors := metadata.channel_colors[:count]:
        whole = [*colors, *["FFFFFF"] * (count - len(colors))]
        described["Color"] = [_signed(color) for color in whole]
    return described


def _sizes(metadata: StackMetadata) -> dict[str, float | str]:
    sizes: dict[str, float | str] = {}
    for axis, key in _SIZES.items():
        symbol = axis_symbol(axis, metadata.units.get(axis, ""))
        # A time without a unit would be read as seconds.
        if axis in metadata.pixel_size and (symbol or axis != "T"):
            sizes[key] = metadata.pixel_size[axis]
            sizes[f"{key}Unit"] = symbol or "pixel"
    return sizes


def _signed(color: str) -> int:
    """Give RRGGBB as the signed RGBA number of OME."""
    value = int(color + "FF", 16)
    return value - (1 << 32) if value >= 1 << 31 else value
