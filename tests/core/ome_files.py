"""OME-TIFFs with XML of one's own, and sets of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

STACK = np.random.default_rng(0).poisson(600, (3, 20, 24)).astype(np.uint16)
OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    'UUID="urn:uuid:{me}">'
    '<Image ID="Image:0" Name="set"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
    'Type="uint16" SizeX="24" SizeY="20" SizeZ="{z}" SizeC="{c}" SizeT="1">{inner}'
    "</Pixels></Image></OME>"
)
CHANNEL = '<Channel ID="Channel:0:{0}" Name="{1}"/>'
ELSEWHERE = (
    '<TiffData FirstC="{0}" FirstT="0" FirstZ="0" IFD="0" PlaneCount="1">'
    '<UUID FileName="c{0}.ome.tif">urn:uuid:{0}</UUID></TiffData>'
)


def write_ome(path: Path, planes: NDArray[Any], z: int, c: int, inner: str) -> Path:
    xml = OME.format(me=path.name[1], z=z, c=c, inner=inner)
    tifffile.imwrite(
        path, planes, metadata=None, photometric="minisblack", description=xml
    )
    return path


def write_set(folder: Path) -> list[Path]:
    """Two channels, each in a file of its own."""
    inner = "".join(CHANNEL.format(n, name) for n, name in enumerate("AB"))
    inner += ELSEWHERE.format(0) + ELSEWHERE.format(1)
    names = [folder / "c0.ome.tif", folder / "c1.ome.tif"]
    return [
        write_ome(path, STACK[number], 1, 2, inner) for number, path in enumerate(names)
    ]
