"""Images whose background is bright: the network sees their negatives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.intensity import fit_mapping
from diffir_core.models import shipped_models
from diffir_core.stacks.extremes import MOST, excess, seen, without_hot_pixels

SIDE = 96


@pytest.fixture(scope="module")
def model() -> diffir.Model:
    return diffir.load_model("fluo-denoise")


def cells(seed: int = 0, count: int = 12) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for row, column in rng.uniform(0, SIDE, (count, 2)):
        image += 60 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)
    return image


def fluorescence(seed: int = 0) -> NDArray[np.uint16]:
    counts = np.random.default_rng(seed).poisson(cells(seed) + 4) + 100
    return counts.astype(np.uint16)


def test_an_inverted_image_comes_back_as_the_negative_of_the_restored_one(
    model: diffir.Model,
) -> None:
    image = fluorescence()
    result = diffir.restore(image, model, axes="YX").astype(int)
    inverted, report = diffir.restore(
        1000 - image, model, axes="YX", return_report=True
    )
    assert np.abs(1000 - inverted.astype(int) - result).max() <= 1  # Of rounding.
    assert report.mappings[0].scale < 0
    assert report.negative is None


def test_transmitted_light_is_restored_better_as_a_negative(
    model: diffir.Model,
) -> None:
    light = 400 * np.exp(-cells() / 40)
    image = np.random.default_rng(1).poisson(light).astype(np.uint16)
    errors = []
    for negative in (None, False):
        options = diffir.RestoreOptions(negative=negative, output_dtype="float32")
        result = diffir.restore(image, model, axes="YX", options=options)
        errors.append(float(np.sqrt(np.mean((result - light) ** 2))))
    assert errors[0] < 0.95 * errors[1]


@pytest.mark.parametrize("cover", [0.0, 0.6, 0.9])
def test_fluorescence_is_no_negative_however_full_the_field(
    model: diffir.Model, cover: float
) -> None:
    image = fluorescence().astype(float)
    image[: int(cover * SIDE)] += 30
    counts = np.random.default_rng(3).poisson(image).astype(np.uint16)
    _, report = diffir.restore(counts, model, axes="YX", return_report=True)
    assert report.mappings[0].scale > 0


def test_each_channel_has_its_own_background(model: diffir.Model) -> None:
    stack = np.stack([fluorescence(), 1000 - fluorescence(1)])
    _, report = diffir.restore(stack, model, axes="CYX", return_report=True)
    assert [np.sign(mapping.scale) for mapping in report.mappings] == [1, -1]


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_models_for_fluorescence_expect_a_dark_background(name: str) -> None:
    card = diffir.load_model(name).card
    assert card is not None
    assert card.expects_dark_background == name.startswith("fluo")


def test_models_that_know_bright_backgrounds_see_images_as_they_are() -> None:
    image = 1000 - fluorescence()
    model = diffir.load_model("em-denoise")
    _, report = diffir.restore(image, model, axes="YX", return_report=True)
    assert report.mappings[0].scale > 0
    assert report.negative is False


def test_a_file_shows_dark_to_bright_whatever_the_network_saw(
    model: diffir.Model, tmp_path: Path
) -> None:
    target = tmp_path / "out.ome.zarr"
    diffir.restore_file(_written(tmp_path), target, model)
    about = json.loads((target / "zarr.json").read_text())["attributes"]["ome"]
    window = about["omero"]["channels"][0]["window"]
    assert window["start"] < window["end"]


def _written(folder: Path) -> Path:
    path = folder / "in.ome.tif"
    tifffile.imwrite(path, 1000 - fluorescence(), metadata={"axes": "YX"})
    return path


def test_extreme_values_of_a_negative_are_those_of_the_image_turned_round() -> None:
    values = fluorescence()[None].astype(np.int32)
    values[0, 40:44, 40:44], values[0, 70, 70] = 4000, 30000
    mapping = fit_mapping(values)
    turned = fit_mapping(-values, negative=True)
    assert turned.offset == pytest.approx(-mapping.offset)
    assert turned.scale == pytest.approx(-mapping.scale)
    mended = without_hot_pixels(values, mapping)
    assert np.array_equal(without_hot_pixels(-values, turned), -mended)
    assert np.allclose(seen(-mended, turned), seen(mended, mapping))
    restored = np.full(values.shape, MOST, np.float32)
    given = excess(mended, restored, mapping, 1)
    assert given.max() > 0
    assert np.allclose(excess(-mended, restored, turned, 1), -given)


def test_a_negative_that_is_asked_for_is_one_of_an_almost_even_image_too() -> None:
    values = np.full((SIDE, SIDE), 1000, np.uint16)
    values[0, :2] = 10, 2000
    mapping = fit_mapping(values, negative=True)
    assert (mapping.offset, mapping.scale) == (2000, -1990)


def test_samples_of_a_negative_have_a_positive_spread(model: diffir.Model) -> None:
    image = 1000 - fluorescence()
    mean, deviation = diffir.restore_samples(image, model, axes="YX", samples=2)
    assert deviation.min() >= 0
    assert abs(float(mean.mean()) - float(image.mean())) < 3
