"""Weights and IPRs that are not finite, cards and files that are not what is asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import Command
from networks import random_network, save_tiny
from safetensors.torch import load_file, save_file

import diffir_core as diffir
from diffir_core import load_model, save_model
from diffir_core._shared_weights import write_card
from diffir_core.card import ModelCard
from diffir_core.describing import describe
from diffir_core.errors import CheckpointError, InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR, blend
from diffir_core.model import Model

IMAGE = np.random.default_rng(0).poisson(40, (40, 48)).astype(np.uint16)


def test_a_network_that_gives_no_numbers_gives_no_black_image(tiny: Model) -> None:
    own = diffir.extract_ipr(IMAGE, tiny, axes="YX")
    far = blend(own, replace(own, vector=np.zeros_like(own.vector)), -1e30)
    options = diffir.RestoreOptions(ipr=far)
    with pytest.raises(InputError, match="not finite"):
        diffir.restore(IMAGE, tiny, axes="YX", options=options)
    with pytest.raises(InputError, match="not finite"):
        IntensityMapping(0.0, 1.0).from_model(
            np.array([1, np.nan], np.float32), np.dtype("u2")
        )


def test_weights_that_are_not_finite_are_neither_read_nor_written(
    tmp_path: Path,
) -> None:
    network = random_network()
    with torch.no_grad():
        network.G.output.weight[0, 0, 0, 0] = 70000.0
    with pytest.raises(CheckpointError, match=r"float16: 'G\.output\.weight'.*type"):
        save_model(tmp_path / "half.safetensors", network, dtype="float16")
    assert not list(tmp_path.iterdir())
    path = save_tiny(tmp_path, "whole")
    state = load_file(path)
    state["G.output.weight"].fill_(torch.nan)
    save_file(state, path)
    with pytest.raises(CheckpointError, match=r"'G\.output\.weight'.*not finite"):
        load_model(path)


def test_a_blend_too_large_for_float32_is_refused(tiny: Model) -> None:
    large = IPR(np.full(256, 3e38, np.float32), tiny.fingerprint)
    small = IPR(np.zeros(256, np.float32), tiny.fingerprint)
    with pytest.raises(InputError, match="no finite IPR"):
        blend(large, small, np.float64(-1.5))


def test_a_card_never_replaces_the_weights_that_it_names(tmp_path: Path) -> None:
    path = save_tiny(tmp_path, "own")
    before = path.read_bytes()
    with pytest.raises(InputError, match="a name of its own"):
        write_card(path, path, ModelCard(name="own"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "beside",
    [
        torch.empty(0),
        torch.Size([1, 2]),
        torch.float32,
        slice(1, 2),
        torch.ones(2) * 1j,
    ],
    ids=["empty", "size", "dtype", "slice", "complex"],
)
def test_settings_beside_the_weights_do_no_harm(beside: Any, tmp_path: Path) -> None:
    network = random_network()
    path = tmp_path / "official.pth"
    torch.save({"params": OrderedDict(network.state_dict()), "beside": beside}, path)
    assert load_model(path).stage == 2


def test_more_reverse_steps_than_there_are_are_refused() -> None:
    network = random_network()
    condition, start = torch.zeros(1, 256), torch.zeros(1, 256)
    for steps in (0, network.config.timesteps + 2):
        with pytest.raises(InputError, match="choose 1 to 4"):
            network.reverse_chain(condition, start, steps)


def test_every_json_is_described_as_an_ipr(
    tmp_path: Path, tiny: Model, diffir_command: Command
) -> None:
    IPR(np.zeros(256, np.float32), tiny.fingerprint, source="a [/b] c").save(
        tmp_path / "own.json"
    )
    assert "a [/b] c" in describe(tmp_path / "own.json")
    ended, said = diffir_command("ipr", "show", str(tmp_path / "own.json"))
    assert ended == 0
    assert "a [/b] c" in said


def test_a_folder_of_a_models_name_hides_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fluo-denoise").mkdir()
    assert "kind: model" in describe(Path("fluo-denoise"))


def test_names_in_brackets_are_said_as_they_are(
    tmp_path: Path, tiny_file: Path, diffir_command: Command
) -> None:
    to = tmp_path / "m[deblur].safetensors"
    network = load_model(tiny_file).network
    torch.save({"params": network.state_dict()}, tmp_path / "a.pth")
    ended, said = diffir_command("convert", str(tmp_path / "a.pth"), str(to))
    assert ended == 0
    assert "m[deblur].safetensors" in said.replace("\n", "")


def test_an_ipr_may_be_named_by_a_path_and_a_message_ends_once(tmp_path: Path) -> None:
    IPR(np.zeros(256, np.float32), "x").save(tmp_path / "a.ipr.json")
    assert diffir.RestoreOptions.parse(dict(ipr=tmp_path / "a.ipr.json")).ipr
    with pytest.raises(InputError) as refusal:
        diffir.RestoreOptions.parse(dict(ipr=str(tmp_path / "none.ipr.json")))
    assert not str(refusal.value).endswith("..")
