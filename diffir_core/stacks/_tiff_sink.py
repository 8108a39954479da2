"""OME-TIFF: BigTIFF, tiled, laid out at once and filled plane by plane."""

from __future__ import annotations

import io
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.report import RestoreReport
from diffir_core.stacks._ome_description import ome_description, photometric
from diffir_core.stacks._tiff_layout import TiffLayout
from diffir_core.stacks._tiff_tags import Contents, first_page, place_of, replace_tags
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.ledger import Ledger, iprs
from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.units import checksum

IPRS_TAG = 65256
"""A private tag of the first page: the length of an IPR and the IPRs of the restored
planes, one after the other; a single 0 if planes have none of their own."""
_DESCRIPTION_TAG = 270
_TAGS = {_DESCRIPTION_TAG, IPRS_TAG}


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
                photometric=photometric(layout, spec.metadata),
                planarconfig="contig" if layout.samples > 1 else None,
                extratags=[(IPRS_TAG, tifffile.DATATYPE.FLOAT, 1, 0.0, True)],
                metadata=ome_description(layout, spec, {"state": "unfinished"}),
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
        metadata = ome_description(self._layout, self._spec, made)
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
