"""Files that hold no ordinary numbers, opened by the reader in a real viewer."""

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
