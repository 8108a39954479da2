"""The report, and the IPRs, that a finished output carries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def provenance(path: Path) -> dict[str, Any] | None:
    """Give the report stored in a finished output of ours; None for other images."""
    if path.is_dir():
        import zarr

        found = dict(zarr.open(path, mode="r").attrs).get("diffir")
        return dict(found) if isinstance(found, dict) else None
    from xml.etree import ElementTree

    import tifffile

    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    for element in ElementTree.fromstring(xml).iter() if xml else ():
        if element.tag.endswith("}Description") and element.text:
            try:
                return dict(json.loads(element.text)["diffir"])
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
    return None


def stored_iprs(path: Path) -> NDArray[np.float32] | None:
    """Give the IPRs of a finished output's planes, (planes, 256), in their order.

    None if its planes have none of their own, or the file is not ours.
    """
    if path.is_dir():
        import zarr

        group: Any = zarr.open(path, mode="r")
        return np.asarray(group["diffir_iprs"]) if "diffir_iprs" in group else None
    import tifffile

    from diffir_core.stacks._tiff_sink import IPRS_TAG

    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags.get(IPRS_TAG)
        values = np.atleast_1d(np.asarray(tag.value if tag else 0, np.float32))
    length = int(values[0])
    return values[1:].reshape(-1, length) if length else None
