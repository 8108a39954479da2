"""Options, recipes and IPRs that a text editor, or chance, has spoilt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import Command

import diffir_core as diffir
from diffir_core._base import FrozenConfig
from diffir_core._yaml import read_yaml
from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.ipr import IPR, blend
from diffir_core.model import Model
from diffir_core.samples import sample_path

MICRO = b"seed: 1  # 5 \xb5m\n"


@pytest.mark.parametrize(
    "words",
    [
        ("restore", "in.tif", "o.ome.tif", "--options", "l.yaml"),
        ("info", "l.yaml"),
        ("train", "l.yaml"),
        ("train", "in.tif"),
        ("ipr", "show", "x.ipr.json"),
        ("ipr", "blend", "x.ipr.json", "x.ipr.json", "y.ipr.json"),
        ("info", "x.ipr.json"),
    ],
)
def test_text_that_is_not_utf8_is_one_sentence(
    tmp_path: Path, diffir_command: Command, words: tuple[str, ...]
) -> None:
    image = sample_path("noisy").read_bytes()
    (tmp_path / "l.yaml").write_bytes(MICRO)
    (tmp_path / "in.tif").write_bytes(image)
    (tmp_path / "x.ipr.json").write_bytes(image)
    status, said = diffir_command(*words)
    assert status == 2
    assert "UTF-8" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: true\n", "seed is True"),
        ("intensity:\n  low_percentile: false\n", r"low_percentile is False"),
        ("seed: 1\nseed: 2\n", r"'seed' .*twice.*line 2"),
        ("intensity: {low_percentile: 1, low_percentile: 2}\n", "'low_percentile'"),
        ("seed: 2020-13-45\n", "not valid YAML"),
        ("[1, 2\n", "not valid YAML"),
        ("? {a: 1}\n: 2\n", "not valid YAML"),
    ],
)
def test_options_that_are_not_what_they_look_like_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "options.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        diffir.RestoreOptions.from_yaml(tmp_path / "options.yaml")
    assert "\n" not in str(caught.value)


def test_true_is_taken_where_it_belongs() -> None:
    options = diffir.RestoreOptions.parse({"keep_local_mean": True})
    assert options.keep_local_mean is True


def test_yaml_may_be_merged_and_overridden(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_yaml(path)["b"] == {"x": 3, "y": 2}


class Plan(FrozenConfig):
    """As a recipe holds a network."""

    model: ModelConfig = ModelConfig()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.heads=[1,2,5,4]", "Plan.model: 5 heads do not divide 192 channels"),
        ("model.in_channels=5", "Plan.model: .* takes 3 input channels, not 5"),
        ("model.scale=2", "Plan.model: scale 2 needs"),
        ("model.scale=3", "Plan.model.scale is 3: "),
        ("model.scale=true", "Plan.model: scale is True"),
        (f"model.dim={list(range(99))}", r"Plan.model.dim is \[0, .*…: "),
    ],
)
def test_what_does_not_fit_in_a_network_is_said_without_all_of_it(
    assignment: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Plan().changed([assignment])
    assert len(str(caught.value)) < 160


def an_ipr(**changes: Any) -> dict[str, Any]:
    values = IPR(np.arange(8, dtype=np.float32), "m" * 64).to_dict()
    return values | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vector": [1.0, float("nan")]}, "finite"),
        ({"vector": [1.0, float("inf")]}, "finite"),
        ({"vector": []}, "list of numbers"),
        ({"vector": [[1.0]]}, "list of numbers"),
        ({"vector": 3.0}, "list of numbers"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": float("inf")}, "damaged"),
        ({"vector": [1e300]}, "finite"),
        ({"chain": [[1.0, 2.0]]}, "chain"),
        ({"chain": [[float("nan")] * 8]}, "chain"),
    ],
)
def test_a_spoilt_ipr_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "x.ipr.json"
    path.write_text(json.dumps(an_ipr(**changes)))
    with pytest.raises(InputError, match=message):
        IPR.load(path)


def extracted(tiny: Model) -> IPR:
    image = np.random.default_rng(0).poisson(50, (24, 24)).astype(np.uint16)
    return diffir.extract_ipr(image, tiny, axes="YX")


def test_an_ipr_of_another_length_than_the_models_is_refused(tiny: Model) -> None:
    own = extracted(tiny)
    short = IPR(own.vector[:-4], own.model)
    image = np.ones((24, 24), np.uint16)
    with pytest.raises(InputError, match="not 252"):
        diffir.restore(image, tiny, axes="YX", options=diffir.RestoreOptions(ipr=short))
    with pytest.raises(InputError, match="252"):
        blend(own, short, 0.5)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e300])
def test_a_weight_that_is_no_number_is_refused(
    tmp_path: Path, tiny: Model, diffir_command: Command, weight: float
) -> None:
    own = extracted(tiny)
    with pytest.raises(InputError, match="finite"):
        blend(own, own, weight)
    own.save(tmp_path / "a.ipr.json")
    words = ("ipr", "blend", "a.ipr.json", "a.ipr.json", "b.ipr.json")
    status, said = diffir_command(*words, f"--weight={weight}")
    assert (status, "finite" in said) == (2, True)
    assert not (tmp_path / "b.ipr.json").exists()


def test_a_weight_beyond_both_exaggerates(tiny: Model) -> None:
    own = extracted(tiny)
    other = IPR(own.vector + 1, own.model)
    assert np.allclose(blend(own, other, 1.5).vector, own.vector + 1.5)
