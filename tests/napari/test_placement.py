"""Where restored layers come to lie, and whose image they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from networks import random_network

import diffir_core as diffir
import napari_diffir
from diffir_core.errors import InputError
from napari_diffir._layers import placement_of
from napari_diffir._scripting import restored_layer


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture(scope="session")
def doubling_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model for super-resolution by two."""
    path = tmp_path_factory.mktemp("doubling") / "doubling.safetensors"
    diffir.save_model(path, random_network(architecture="sr", scale=2))
    return path


def stack_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 999, shape, np.uint16)


PLACES = [
    ("yxz", (24, 32, 2), (0.5, 0.5, 2), (0.25, 0.25, 2), (-0.125, -0.125, 0)),
    ("zxy", (2, 24, 32), (2, 0.5, 0.8), (2, 0.25, 0.4), (0, -0.125, -0.2)),
    ("yzx", (24, 2, 32), (0.5, 2, 0.5), (0.25, 2, 0.25), (-0.125, 0, -0.125)),
]


@pytest.mark.parametrize(("axes", "shape", "scale", "finer", "first"), PLACES)
def test_super_resolution_refines_y_and_x_wherever_they_stand(
    viewer: Any,
    doubling_model: Path,
    axes: str,
    shape: Any,
    scale: Any,
    finer: Any,
    first: Any,
) -> None:
    labels = {"axis_labels": tuple(axes), "units": ("um",) * 3}
    source = viewer.add_image(stack_of(*shape), rgb=False, scale=scale, **labels)
    result = napari_diffir.restore_layer(viewer, source, doubling_model)
    assert np.allclose(result.scale, finer)
    assert np.allclose(result.translate, first)


def test_axes_that_are_given_count_for_the_place_too(
    viewer: Any, doubling_model: Path
) -> None:
    source = viewer.add_image(stack_of(24, 32, 2), rgb=False)
    result = napari_diffir.restore_layer(viewer, source, doubling_model, axes="YXZ")
    assert result.scale.tolist() == [0.5, 0.5, 1]


def test_a_placement_outlives_what_becomes_of_its_layer() -> None:
    source = Image(
        stack_of(3, 8, 8),
        name="cells",
        axis_labels=("z", "y", "x"),
        scale=(2, 0.5, 0.5),
        translate=(1, 2, 3),
        units=("um",) * 3,
    )
    before = placement_of(source, "ZYX")
    expected = restored_layer(source, (stack_of(3, 8, 8), 1, {})).arguments
    source.scale, source.translate, source.name = (9, 9, 9), (0, 0, 0), "other"
    source.data = stack_of(8, 8)
    arguments = restored_layer(before, (stack_of(3, 8, 8), 1, {})).arguments
    assert arguments["name"] == "cells restored"
    for name in ("scale", "translate", "units", "axis_labels"):
        assert np.array_equal(arguments[name], expected[name])
    placed = Image(stack_of(3, 8, 8), **arguments)
    assert placed.data_to_world((0, 0, 0)) == (1, 2, 3)


def test_layers_that_are_no_images_are_refused_in_one_sentence(
    viewer: Any, tiny_model: Path
) -> None:
    labels = viewer.add_labels(np.ones((8, 8), int), name="nuclei")
    points = viewer.add_points(np.zeros((3, 2)), name="spots")
    for layer, kind in ((labels, "Labels"), (points, "Points")):
        with pytest.raises(InputError, match=f"'{layer.name}' is of type {kind}"):
            napari_diffir.restore_layer(viewer, layer, tiny_model)


def test_contrast_can_be_widened_as_that_of_the_source(
    viewer: Any, doubling_model: Path
) -> None:
    source = viewer.add_image(stack_of(24, 32), axis_labels=("y", "x"))
    whole = tuple(source.contrast_limits_range)
    source.contrast_limits = (200, 500)
    result = napari_diffir.restore_layer(viewer, source, doubling_model)
    assert tuple(result.contrast_limits) == (200, 500)
    assert tuple(result.contrast_limits_range) == whole
