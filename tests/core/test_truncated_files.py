"""Files that lack some of their planes are refused, rather than restored in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from diffir_core.errors import InputError
from diffir_core.stacks.source import open_source

PLANES = np.ones((12, 64, 72), np.uint16)
HYPERSTACK: dict[str, Any] = {"imagej": True, "metadata": {"axes": "TZCYX"}}


def write(path: Path, **options: Any) -> Path:
    shape = (2, 3, 2, 64, 72) if "imagej" in options else PLANES.shape
    tifffile.imwrite(path, PLANES.reshape(shape), **options)
    return path


def cut(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def refused(path: Path, axes: str | None = None) -> None:
    with pytest.raises(InputError, match="truncated") as caught:
        open_source(path, axes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.02, 0.3, 2 / 3, 0.99])
@pytest.mark.parametrize(
    "options",
    [
        HYPERSTACK,
        HYPERSTACK | {"truncate": True},
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "truncate": True},
        {"photometric": "minisblack", "metadata": None},
        {"photometric": "minisblack", "compression": "zlib"},
        {"ome": True, "metadata": {"axes": "ZYX"}},
    ],
    ids=["imagej", "imagej-one-page", "plain", "plain-one-page", "bare", "zlib", "ome"],
)
def test_a_stack_that_was_cut_is_refused(
    tmp_path: Path, options: dict[str, Any], keep: float
) -> None:
    refused(cut(write(tmp_path / "s.tif", **options), keep))


@pytest.mark.parametrize("options", [HYPERSTACK, HYPERSTACK | {"truncate": True}])
def test_a_whole_hyperstack_is_read(tmp_path: Path, options: dict[str, Any]) -> None:
    source = open_source(write(tmp_path / "s.tif", **options))
    assert source.shape == (2, 3, 2, 64, 72)
    source.close()


def test_axes_do_not_hide_that_planes_are_missing(tmp_path: Path) -> None:
    refused(cut(write(tmp_path / "s.tif", **HYPERSTACK), 2 / 3), "YX")


def test_the_number_of_missing_planes_is_told(tmp_path: Path) -> None:
    path = cut(write(tmp_path / "s.tif", **HYPERSTACK, truncate=True), 2 / 3)
    with pytest.raises(InputError, match="not all of its 12 planes"):
        open_source(path)


def test_pages_that_imagej_counts_and_that_are_not_there(tmp_path: Path) -> None:
    description = "ImageJ=1.54f\nimages=12\nslices=12\n"
    with tifffile.TiffWriter(tmp_path / "s.tif") as writer:
        for plane in PLANES[:5]:
            writer.write(
                plane, description=description, metadata=None, compression="zlib"
            )
            description = ""
    refused(tmp_path / "s.tif")


@pytest.mark.parametrize("samples", ["contig", "separate"])
def test_samples_that_are_called_channels_are_not_missing(
    tmp_path: Path, samples: str
) -> None:
    shape = (16, 18, 3) if samples == "contig" else (3, 16, 18)
    tifffile.imwrite(
        tmp_path / "s.tif",
        np.ones(shape, np.uint8),
        photometric="rgb",
        planarconfig=samples,
        description="ImageJ=1.54f\nimages=3\nchannels=3\n",
        metadata=None,
    )
    open_source(tmp_path / "s.tif").close()


def test_imagej_rgb_stacks_are_whole(tmp_path: Path) -> None:
    stack = np.ones((4, 16, 18, 3), np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "ZYXS"})
    source = open_source(tmp_path / "s.tif")
    assert source.shape == stack.shape
    source.close()
