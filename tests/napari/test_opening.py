"""Files of colours, or of no ordinary numbers, opened by the reader in a viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile


def stack_without(middle: Any) -> np.ndarray:
    stack = np.random.default_rng(0).random((5, 64, 64)).astype(np.float32)
    stack[2] = middle
    return stack


@pytest.mark.parametrize(
    ("pixels", "limits"),
    [
        (stack_without(np.nan) > 0.5, (0, 1)),
        (stack_without(0.3) > 0.5, (0, 1)),
        (stack_without(np.nan), (0, 1)),
        (stack_without(np.inf), (0, 1)),
    ],
    ids=["mask", "empty mask", "nan", "infinite"],
)
def test_it_is_opened_with_limits(
    make_napari_viewer_proxy: Any,
    tmp_path: Path,
    pixels: np.ndarray,
    limits: tuple[float, float],
) -> None:
    path = tmp_path / "odd.ome.tif"
    tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "ZYX"})
    viewer = make_napari_viewer_proxy()
    (layer,) = viewer.open(str(path), plugin="napari-diffir")
    assert tuple(layer.contrast_limits) == limits
    assert np.array_equal(np.asarray(layer.data), pixels, equal_nan=True)


@pytest.mark.parametrize(
    ("kind", "limits"),
    [(np.uint8, (0, 255)), (np.uint16, (0, 65535)), (np.float32, (0, 1))],
)
def test_colours_are_shown_as_they_are(
    make_napari_viewer_proxy: Any,
    tmp_path: Path,
    kind: type,
    limits: tuple[float, float],
) -> None:
    path, scale = tmp_path / "rgb.ome.tif", limits[1]
    colours = np.random.default_rng(0).uniform(0.3, 0.6, (64, 64, 3)) * scale
    tifffile.imwrite(
        path,
        colours.astype(kind),
        photometric="rgb",
        ome=True,
        metadata={"axes": "YXS"},
    )
    viewer = make_napari_viewer_proxy()
    (layer,) = viewer.open(str(path), plugin="napari-diffir")
    assert layer.rgb
    assert tuple(layer.contrast_limits) == limits


def test_planes_are_shown_of_channels_that_are_samples(
    make_napari_viewer_proxy: Any, tmp_path: Path
) -> None:
    path = tmp_path / "spectral.tif"
    values = np.random.default_rng(0).poisson(50, (64, 48, 3)).astype(np.uint16)
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    viewer = make_napari_viewer_proxy()
    (layer,) = viewer.open(str(path), plugin="napari-diffir")
    assert tuple(layer.axis_labels) == ("c", "y", "x")
    assert np.array_equal(np.asarray(layer.data), np.moveaxis(values, -1, 0))
    assert not layer.rgb
