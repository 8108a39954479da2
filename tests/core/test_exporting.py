"""The bioimage.io package: what others run is what the network computes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from asking import Command
from networks import random_network, save_tiny

import diffir_core as diffir
from diffir_core import ModelCard, load_model, save_model
from diffir_core.errors import DiffIRError, InputError, OutputExistsError
from diffir_core.exporting import export_model
from diffir_core.model import Model

CARD = ModelCard(
    name="tiny",
    description="A test: restores nothing",
    training_data=("Nothing at all, CC0",),
    intended_use="Tests alone.",
    limitations="All.",
    licence="BSD-3-Clause",
    citation="Nobody, Nothing, 2024",
    keeps_local_mean=True,
    expects_dark_background=True,
    figures={"a set, tiny, psnr": 12.3},
)
KINDS: dict[str, dict[str, Any]] = {
    "denoise": {},
    "rgb": dict(in_channels=3, out_channels=3, layer_norm="BiasFree"),
    "x2 on the input's pixels": dict(architecture="sr", scale=2, body_grid="input"),
    "x2 as released": dict(architecture="sr", scale=2),
}


def saved(path: Path, card: ModelCard | None = CARD, **changes: Any) -> Model:
    save_model(path, random_network(**changes), card=card)
    return load_model(path)


@pytest.fixture(scope="module", params=KINDS, ids=str)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Path]:
    folder = tmp_path_factory.mktemp("exported")
    model = saved(folder / "tiny.safetensors", **KINDS[request.param])
    return model, export_model(model, folder / "tiny.zip")


def description(package: Path) -> dict[str, Any]:
    with zipfile.ZipFile(package) as archive:
        return dict(yaml.safe_load(archive.read("rdf.yaml")))


def array(package: Path, name: str) -> np.ndarray[Any, Any]:
    with zipfile.ZipFile(package) as archive:
        return np.asarray(np.load(io.BytesIO(archive.read(name))))


def scripted(package: Path) -> Any:
    with warnings.catch_warnings():  # TorchScript is old, and what bioimage.io takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        with zipfile.ZipFile(package) as archive:
            return torch.jit.load(io.BytesIO(archive.read("weights.pt")))


def test_weights_compute_what_the_network_does_at_any_size(
    exported: tuple[Model, Path],
) -> None:
    model, package = exported
    network, weights = model.restorer, scripted(package)
    step, channels = model.config.size_multiple, model.config.in_channels
    for rows, columns in ((1, 1), (2, 5), (7, 3)):
        x = torch.rand(1, channels, rows * step, columns * step)
        with torch.no_grad():
            torch.testing.assert_close(weights(x), network(x), atol=1e-4, rtol=0)


def test_planes_of_a_batch_are_restored_as_each_alone(
    exported: tuple[Model, Path],
) -> None:
    model, package = exported
    weights, step = scripted(package), model.config.size_multiple
    batch = torch.rand(3, model.config.in_channels, 2 * step, step)
    with torch.no_grad():
        alone = torch.cat([weights(plane[None]) for plane in batch])
        torch.testing.assert_close(weights(batch), alone, atol=1e-4, rtol=0)


def test_weights_stay_on_no_device(exported: tuple[Model, Path]) -> None:
    """A tensor made in the graph would stay on the CPU when the weights move."""
    graph = str(scripted(exported[1]).inlined_graph)
    assert not re.findall(r'Device = prim::Constant\[value="\w+', graph)


def test_the_validator_of_bioimageio_takes_it(
    exported: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = pytest.importorskip("bioimageio.spec")
    monkeypatch.setenv("BIOIMAGEIO_CACHE_PATH", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its own are not ours to mend.
        with spec.ValidationContext(perform_io_checks=True, log_warnings=False):
            summary = spec.load_description(exported[1]).validation_summary
    assert summary.status in ("valid-format", "passed"), summary.format()
    assert not summary.errors


def test_preprocessing_is_that_of_the_options(exported: tuple[Model, Path]) -> None:
    """And the stored output is that of the stored input, which is a raw image."""
    model, package = exported
    raw, output = array(package, "test_input.npy"), array(package, "test_output.npy")
    assert raw.max() > 100
    assert output.shape[-1] == raw.shape[-1] * model.config.scale
    (described,) = description(package)["inputs"]
    percentiles, clip = (step["kwargs"] for step in described["preprocessing"])
    assert (percentiles["min_percentile"], percentiles["max_percentile"]) == (1, 99.8)
    low, high = np.percentile(raw[0], (1.0, 99.8))
    seen = ((raw - low) / (high - low)).clip(clip["min"], clip["max"])
    with torch.no_grad():
        restored = model.restorer(torch.from_numpy(seen).float())
    np.testing.assert_allclose(output, restored.numpy(), atol=1e-4)


def test_mapped_back_it_is_what_our_engine_gives(tmp_path: Path) -> None:
    """But for what is given back to planes, which the package cannot do."""
    model = load_model("fluo-denoise")
    package = export_model(model, tmp_path / "fluo.zip")
    raw, output = array(package, "test_input.npy"), array(package, "test_output.npy")
    options = diffir.RestoreOptions(keep_local_mean=False, keep_fine_structure=False)
    ours = diffir.restore(raw[0, 0], model, axes="YX", options=options)
    low, high = np.percentile(raw, (1.0, 99.8))
    back = output[0, 0] * (high - low) + low
    np.testing.assert_allclose(back, ours, atol=1e-3 * (high - low))


def test_weights_need_no_package_of_ours(tmp_path: Path) -> None:
    model = saved(tmp_path / "tiny.safetensors")
    with zipfile.ZipFile(export_model(model, tmp_path / "tiny.zip")) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['diffir_core', 'einops']))\n"
        "import torch, numpy as np\n"
        "x = torch.from_numpy(np.load('test_input.npy')) / 1000\n"
        "print(tuple(torch.jit.load('weights.pt')(x).shape))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 1, 112, 112)"


def test_documentation_says_what_the_card_says(exported: tuple[Model, Path]) -> None:
    with zipfile.ZipFile(exported[1]) as archive:
        page = archive.read("README.md").decode()
        assert archive.testzip() is None
    said = (*CARD.training_data, CARD.intended_use, CARD.limitations, CARD.citation)
    left_out = "local mean", "negatives", "Empty pixels"
    for text in (*said, *left_out, "12.3", "BSD-3-Clause", "percentile", "tile"):
        assert text in page


def test_nobody_is_invented(exported: tuple[Model, Path]) -> None:
    told = description(exported[1])
    assert told["authors"] == [{"name": "The napari-diffir developers"}]
    assert "maintainers" not in told


def test_a_card_with_odd_words_is_still_valid(tmp_path: Path) -> None:
    spec = pytest.importorskip("bioimageio.spec")
    card = ModelCard(name="nuclei/λ: 3.5 µm!", licence="ask me", description="x" * 2000)
    model = saved(tmp_path / "odd.safetensors", card)
    package = export_model(model, tmp_path / "odd.zip")
    assert "license" not in description(package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with spec.ValidationContext(perform_io_checks=True, log_warnings=False):
            assert not spec.load_description(package).validation_summary.errors


def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.safetensors")
    stage1 = load_model(save_tiny(tmp_path, "first", stage=1))
    mask = saved(tmp_path / "m.safetensors", architecture="inpainting", in_channels=2)
    cases: list[tuple[Model, Path, str]] = [
        (replace(good, card=None), tmp_path / "a.zip", "card"),
        (replace(stage1, card=CARD), tmp_path / "a.zip", "stage-1"),
        (mask, tmp_path / "a.zip", "inpainting"),
        (good, tmp_path / "a.tar", ".zip"),
        (good, tmp_path / "absent" / "a.zip", "no folder"),
    ]
    for model, destination, words in cases:
        with pytest.raises(DiffIRError, match=words) as caught:
            export_model(model, destination)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.zip*"))


def test_an_output_is_replaced_only_when_asked_and_never_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = saved(tmp_path / "good.safetensors")
    package = tmp_path / "out.zip"
    package.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="already there"):
        export_model(model, package)
    monkeypatch.setattr(zipfile.ZipFile, "write", _full_disk)
    with pytest.raises(OSError, match="No space"):
        export_model(model, package, overwrite=True)
    assert package.read_bytes() == b"mine"
    monkeypatch.undo()
    export_model(model, package, overwrite=True)
    assert zipfile.is_zipfile(package)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good.safetensors", "out.zip"]


def _full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_folders_and_the_model_itself_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    model = saved(tmp_path / "weights.zip")
    for destination in (tmp_path / "folder.zip", tmp_path / "weights.zip"):
        with pytest.raises(InputError, match="another name"):
            export_model(model, destination, overwrite=True)
    assert load_model(tmp_path / "weights.zip").fingerprint == model.fingerprint


def test_the_command(tmp_path: Path, diffir_command: Command) -> None:
    saved(tmp_path / "tiny.safetensors")
    bare = save_tiny(tmp_path, "bare")
    status, said = diffir_command("export", "tiny.safetensors", "out.zip")
    assert status == 0, said
    assert said.startswith("out.zip: ")
    assert len(said.splitlines()) == 1
    for arguments, words in (
        (("tiny.safetensors", "out.zip"), "already there"),
        ((bare.name, "other.zip"), "card"),
        (("absent", "other.zip"), "No model 'absent'"),
    ):
        status, said = diffir_command("export", *arguments)
        assert status == 2, said
        assert words in said
        assert len(said.splitlines()) == 1
    again = diffir_command("export", "tiny.safetensors", "out.zip", "--overwrite")
    assert again[0] == 0
