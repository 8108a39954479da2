"""Weights files are data: recognised by content, loaded strictly, never run."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import random_network, save_tiny
from safetensors.torch import load_file, save_file

from diffir_core import convert, load_model, save_model
from diffir_core.card import ModelCard
from diffir_core.errors import CheckpointError, InputError
from diffir_core.models import DEFAULT_MODEL, shipped_models

CONFIGURATIONS: list[dict[str, Any]] = [
    dict(dim=8),
    dict(dim=12, bias=True, layer_norm="BiasFree", timesteps=1),
    dict(dim=24, num_blocks=(2, 1, 3, 2), ffn_expansion=2.66, timesteps=8),
    dict(in_channels=2, out_channels=2, n_encoder_res=0, n_denoise_res=3),
    dict(architecture="sr", scale=4, task="sr", ffn_expansion=2.2),
    dict(architecture="sr", scale=1, task="sr", in_channels=3, out_channels=3),
    dict(architecture="inpainting", task="inpainting", in_channels=2),
    dict(
        architecture="inpainting",
        task="inpainting",
        in_channels=4,
        out_channels=3,
        num_refinement_blocks=0,
        heads=(1, 1, 2, 4),
        linear_start=0.05,
        linear_end=0.9,
    ),
]


def official_state(network: Any) -> OrderedDict[str, torch.Tensor]:
    """The state dict as the official code saves it, with its doubled tensors."""
    state = OrderedDict(network.state_dict())
    for prefix, twin in (("condition", "condition"), ("denoise", "model")):
        for key, value in network.state_dict().items():
            if key.startswith(f"{prefix}."):
                state[f"diffusion.{twin}.{key.removeprefix(prefix + '.')}"] = (
                    value.clone()
                )
    return state


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("changes", CONFIGURATIONS, ids=str)
def test_any_configuration_is_inferred_from_an_official_file(
    tmp_path: Path, stage: int, changes: dict[str, Any]
) -> None:
    changes = {"task": "deblur"} | changes
    network = random_network(stage, **changes)
    state = official_state(network) if stage == 2 else network.state_dict()
    torch.save({"params": {}, "params_ema": state}, tmp_path / "net.pth")
    model = load_model(tmp_path / "net.pth")
    expected = network.config
    if stage == 1:  # A stage-1 file says nothing of the diffusion.
        expected = expected.replace(
            timesteps=4, linear_start=0.1, linear_end=0.99, n_denoise_res=1
        )
    assert model.stage == stage
    assert model.config == expected
    for key, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], value), key


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {
            "epoch": 3,
            "state_dict": {f"generator.{key}": value for key, value in state.items()}
            | {f"generatorS1.{key}": value * 2 for key, value in state.items()}
            | {"discriminator.weight": torch.zeros(2)},
        },
    ],
    ids=["flat", "params", "data-parallel", "lightning"],
)
def test_every_container_gives_the_same_weights(tmp_path: Path, wrap: Any) -> None:
    network = random_network(stage=2)
    torch.save(wrap(official_state(network)), tmp_path / "net.ckpt")
    save_model(tmp_path / "ours.safetensors", network)
    loaded, ours = (
        load_model(tmp_path / "net.ckpt"),
        load_model(tmp_path / "ours.safetensors"),
    )
    assert loaded.fingerprint == ours.fingerprint


class Evil:
    """What a hostile file holds: an object whose unpickling runs a command."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("container", ["zip", "legacy", "bare"])
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "system"), (eval, "eval"), (os.remove, "remove"), (exec, "exec")],
)
def test_a_hostile_file_is_refused_by_name_and_nothing_runs(
    tmp_path: Path, container: str, function: Any, name: str
) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    argument = {
        "system": f"rm {witness}",
        "remove": str(witness),
    }.get(name, f"__import__('os').remove({str(witness)!r})")
    content = {
        "params": official_state(random_network()),
        "x": Evil(function, argument),
    }
    path = tmp_path / "hostile.pth"
    if container == "bare":
        path.write_bytes(pickle.dumps(Evil(function, argument)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(CheckpointError, match=name) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert witness.exists()


@pytest.mark.parametrize("keep", [0, 1, 10, 1000, -1])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_truncated_files_are_refused(tmp_path: Path, keep: int, kind: str) -> None:
    path = tmp_path / f"net.{kind}"
    if kind == "pth":
        torch.save({"params": official_state(random_network())}, path)
    else:
        save_model(path, random_network())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError):
        load_model(path)


def test_weights_changed_on_disk_are_refused(tmp_path: Path) -> None:
    path = save_tiny(tmp_path, "tiny")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="fingerprint"):
        load_model(path)


def test_missing_extra_and_inconsistent_tensors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    state = official_state(random_network())
    for change, message in (
        ({"G.output.weight": None}, "output"),
        ({"G.down1_2.body.0.weight": None}, "down1_2"),
        ({"G.extra.weight": torch.zeros(3)}, "extra"),
        ({"diffusion.model.resmlp.0.bias": torch.ones(256)}, "two copies"),
    ):
        changed = {k: v for k, v in (state | change).items() if v is not None}
        torch.save({"params": changed}, path)
        with pytest.raises(CheckpointError, match=message):
            load_model(path)


def test_other_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    torch.save({"params": {"conv.weight_orig": torch.zeros(3)}}, tmp_path / "net_d.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    for path in tmp_path.iterdir():
        with pytest.raises(CheckpointError) as caught:
            load_model(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="neither a file nor"):
        load_model("no-such-model")
    with pytest.raises(CheckpointError):
        load_model(tmp_path)


def test_our_files_keep_configuration_card_and_fingerprint(tmp_path: Path) -> None:
    card = ModelCard(name="test", licence="CC0", figures={"psnr": 31.5})
    network = random_network(in_channels=2, out_channels=2)
    for dtype in ("float32", "float16"):
        path = tmp_path / f"{dtype}.safetensors"
        save_model(path, network, card=card, dtype=dtype)
        model = load_model(path)
        assert model.card == card
        assert model.config == network.config
        assert all(p.dtype == torch.float32 for p in model.network.parameters())
    sizes = [
        (tmp_path / f"{d}.safetensors").stat().st_size for d in ("float16", "float32")
    ]
    assert sizes[0] < 0.55 * sizes[1]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("padding", range(0, 256, 8))
def test_no_length_of_the_header_is_taken_for_a_pickle(
    tmp_path: Path, padding: int
) -> None:
    path = tmp_path / "net.safetensors"
    save_model(path, random_network(), card=ModelCard(name="x" * padding))
    assert load_model(path).stage == 2


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_figures_that_a_file_could_not_give_back_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"figures\.psnr is .*finite"):
        ModelCard.parse({"figures": {"ssim": 1, "psnr": value}})
    with pytest.raises(ValueError, match=r"figures\.psnr"):
        ModelCard(figures={"psnr": value})


def test_only_networks_are_saved_and_only_in_types_that_there_are(
    tmp_path: Path,
) -> None:
    model: Any = load_model(save_tiny(tmp_path, "tiny"))
    other: Any = "bfloat16"
    with pytest.raises(CheckpointError, match=r"model\.network"):
        save_model(tmp_path / "model.safetensors", model)
    with pytest.raises(CheckpointError, match="dtype is 'bfloat16'"):
        save_model(tmp_path / "half.safetensors", model.network, dtype=other)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.safetensors"]
    assert {model: 1}[model] == 1  # A key of caches.


def test_converting_keeps_the_weights(tmp_path: Path) -> None:
    torch.save({"params": official_state(random_network())}, tmp_path / "net.pth")
    model = convert(tmp_path / "net.pth", tmp_path / "ours.safetensors")
    assert load_model(tmp_path / "ours.safetensors").fingerprint == model.fingerprint
    stored = load_file(tmp_path / "ours.safetensors")
    assert not any(key.startswith("diffusion.condition") for key in stored)


def test_the_default_model_is_offered_first() -> None:
    assert next(iter(shipped_models())) == DEFAULT_MODEL


def test_others_may_read_a_stored_model(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    model = save_tiny(tmp_path, "tiny")
    assert model.stat().st_mode == (tmp_path / "usual").stat().st_mode
