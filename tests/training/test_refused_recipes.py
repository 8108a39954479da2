"""Recipes that cannot train are refused before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from diffir_training.cli import load_recipe
from diffir_training.devices import Devices
from diffir_training.images import CleanImages, check_some_fit, open_clean
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer

from diffir_core.errors import DiffIRError, InputError

FOLDER = Path(__file__).parents[2] / "training" / "recipes"


def refuse(recipe: Recipe, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        recipe.changed([change])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_seed_that_cannot_be_drawn_with_is_refused(seed: str) -> None:
    with pytest.raises(InputError, match=rf"Recipe\.seed is {seed}"):
        load_recipe(FOLDER / "fluo-denoise-quick.yaml", [f"seed={seed}"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.ffn_expansion=.inf", r"ffn_expansion is inf: .*finite"),
        ("model.ffn_expansion=0.01", r"ffn_expansion 0\.01 leaves 8 channels"),
        ("stages.0.learning_rate=.inf", r"learning_rate is inf: .*finite"),
        ("stages.0.learning_rate=.nan", r"learning_rate is nan: "),
        ("noise.photons=[1, .inf]", r"photons.* is inf: .*finite"),
        ("card={figures: {psnr: .inf}}", r"figures\.psnr.* is inf: .*finite"),
    ],
)
def test_values_that_no_training_takes_are_refused(
    recipe: Recipe, change: str, message: str
) -> None:
    refuse(recipe, change, message)


@pytest.mark.parametrize(
    ("key", "typed", "taken"),
    [
        ("folder", "2024-01-05", Path("2024-01-05")),
        ("folder", "2024-13-45", Path("2024-13-45")),
        ("folder", "42", Path("42")),
        ("images.sources.0.pattern", "no #7/a: *.tif", "no #7/a: *.tif"),
        ("images.sources.0.pattern", "'007'", "007"),
        ("images.sources.0.axes", "null", None),
    ],
)
def test_a_text_can_be_set_as_it_is_typed(
    recipe: Recipe, key: str, typed: str, taken: Any
) -> None:
    value: Any = recipe.changed([f"data.{key}={typed}"]).data
    for part in key.split("."):
        value = value[int(part)] if part.isdecimal() else getattr(value, part)
    assert value == taken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=2024-13-45", r"Recipe\.seed is '2024-13-45': .*valid integer"),
        ("noise.photons=[-1, 2]", r"Recipe\.noise\.photons\.0 is -1: "),
        ("noise={kind: scan, scan: 1}", r"no option 'noise\.scan'; remove"),
        ("data.images={kind: paired, noisy: 5}", r"Recipe\.data\.images\.noisy is 5"),
        ("data.images.sources.0.weight=0", r"images\.sources\.0\.weight is 0: "),
        ("data.images.sources=[{}]", r"images\.sources\.0\.pattern: Field required"),
        ("noise={}", r"noise does not say its kind; add it, one of 'camera', 'scm"),
        (
            "noise={kind: chain, steps: [{kind: camera}, {kind: camra}]}",
            r"Recipe\.noise\.steps\.1\.kind is 'camra'; it must be one of 'camera', ",
        ),
    ],
)
def test_a_refusal_names_the_place_as_it_is_written(
    recipe: Recipe, change: str, message: str
) -> None:
    refuse(recipe, change, message)


@pytest.mark.parametrize(
    ("downscale", "patch", "fits"),
    [
        ((1.0, 2.0), 128, True),
        ((1.0, 2.0), 136, False),
        ((0.5, 2.0), 256, True),  # Enlarged, as it is asked for.
        ((0.5, 2.0), 264, False),
        ((2.0, 3.0), 128, True),  # Shrunk less than asked for, but not enlarged.
        ((2.0, 3.0), 136, False),
    ],
)
def test_a_patch_larger_than_every_clean_image_is_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    downscale: tuple[float, float],
    patch: int,
    fits: bool,
) -> None:
    for name, side in (("large", 128), ("small", 32)):
        image = np.random.default_rng(0).poisson(50, (side, side + 8))
        tifffile.imwrite(tmp_path / f"{name}.tif", image.astype(np.uint16))
    config = CleanImages.parse(
        {"sources": [{"pattern": "*.tif", "downscale": downscale}]}
    )
    images = [image for _, group in open_clean(config, tmp_path) for image in group]
    if fits:
        check_some_fit(images, patch)
        assert "1 of 2 images are smaller" in caplog.text
        return
    with pytest.raises(InputError, match=rf"{patch} x {patch}.*128 x 136"):
        check_some_fit(images, patch)


SR = dict(architecture="sr", scale=2, layer_norm="BiasFree")
SHRUNK = dict(kind="chain", steps=[dict(kind="binning"), dict(kind="camera")])


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        (dict(patch_size=24), dict(), r"stages\.3\.patch_size is 24.*multiples of 32"),
        (
            dict(
                sizes=dict(iterations=[1, 1], patch_sizes=[64, 40], batch_sizes=[1, 1])
            ),
            dict(),
            r"stages\.3\.sizes is 40",
        ),
        (
            dict(patch_size=64),
            dict(validation=dict(patch_size=40)),
            r"validation\.patch_size is 40",
        ),
        (
            dict(patch_size=64, adversary=dict(kind="inpainting")),
            dict(),
            r"stages\.3\.adversary is that of inpainting",
        ),
        (dict(betas=(2, 3)), dict(), r"stages\.3\.betas\.0 is 2"),
    ],
)
def test_a_later_stage_that_cannot_train_is_refused_at_once(
    recipe: Recipe, stage: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    model = recipe.model.replace(**SR)
    stages = (*recipe.stages, dict(kind="joint", steps=1) | stage)
    with pytest.raises(InputError, match=message):
        recipe.replace(model=model, noise=SHRUNK, stages=stages, **changes)


def test_what_a_later_stage_reads_must_be_there_at_the_start(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(DiffIRError, match=r"No model .gone\.safetensors."):
        Trainer(recipe.replace(start=dict(stage2="gone.safetensors")), tmp_path / "a")
    adversary = dict(kind="super_resolution", perceptual="gone.pth")
    joint = recipe.stages[2].replace(adversary=adversary)
    stages = (*recipe.stages[:2], joint)
    with pytest.raises(DiffIRError, match=r"gone\.pth"):
        Trainer(recipe.replace(stages=stages), tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_a_file_is_no_folder_of_a_run(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("Mine.")
    for folder in (tmp_path / "notes", tmp_path / "notes" / "run"):
        with pytest.raises(InputError, match=r"notes is a file, where .* another"):
            Trainer(recipe, folder)


def test_a_psf_that_is_seldom_drawn_must_be_there_at_the_start(
    recipe: Recipe, tmp_path: Path
) -> None:
    seldom = dict(kind="measured_psf", path=tmp_path / "gone.tif")
    camera = dict(kind="camera")
    either = dict(kind="one_of", choices=[camera, seldom], weights=[1e6, 1])
    noise = dict(kind="chain", steps=[either, camera])
    with pytest.raises(InputError, match=r"PSF .*gone\.tif"):
        Trainer(recipe.replace(noise=noise), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "noise", "message"),
    [
        (SR, dict(kind="camera"), r"\(1, 32, 32\).*takes \(1, 16, 16\)"),
        (dict(), SHRUNK, r"\(1, 16, 16\).*takes \(1, 32, 32\)"),
        (dict(), dict(kind="sensor_defects"), r"\(2, 32, 32\).*a mask is one more"),
    ],
)
def test_noise_that_does_not_give_what_the_model_takes_is_refused(
    recipe: Recipe,
    tmp_path: Path,
    model: dict[str, Any],
    noise: dict[str, Any],
    message: str,
) -> None:
    model_config = recipe.model.replace(**model)
    with pytest.raises(InputError, match=message) as caught:
        Trainer(recipe.replace(model=model_config, noise=noise), tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("scale", "model"), [(2, dict()), (1, SR)])
def test_pairs_of_another_scale_than_the_model_are_refused(
    recipe: Recipe, tmp_path: Path, scale: int, model: dict[str, Any]
) -> None:
    for i, image in enumerate(np.random.default_rng(0).poisson(9, (2, 96, 96))):
        for side, step in (("raw", scale), ("gt", 1)):
            (tmp_path / side).mkdir(exist_ok=True)
            pixels = image[::step, ::step].astype(np.uint16)
            tifffile.imwrite(tmp_path / side / f"{i}.tif", pixels)
    images = dict(kind="paired", noisy="raw/*.tif", clean="gt/*.tif", scale=scale)
    changed = recipe.replace(
        data=dict(folder=tmp_path, images=images),
        noise=None,
        model=recipe.model.replace(**model),
    )
    with pytest.raises(InputError, match=r"mend data\.images\.scale, model\.scale"):
        Trainer(changed, tmp_path / "run")


def test_a_batch_has_a_patch_for_every_process(recipe: Recipe, tmp_path: Path) -> None:
    devices = Devices(torch.device("cpu"), 0, 3)
    with pytest.raises(InputError, match="a batch of 2 for 3 processes"):
        Trainer(recipe, tmp_path / "run", devices=devices)


def test_a_pattern_can_be_set_as_it_is_written(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    changed = recipe.changed(
        ["data.images.sources.0.pattern=*.tif", "data.folder=~/images"]
    )
    assert changed.data.images.sources[0].pattern == "*.tif"  # type: ignore[union-attr]
    assert changed.data.folder == tmp_path / "images"
