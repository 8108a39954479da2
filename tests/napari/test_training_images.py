"""What a run learns from: layers and folders become sections of a recipe, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from diffir_training import images as training_images
from diffir_training.building import data_of
from numpy.typing import NDArray
from tiny_runs import blobs, noisy, tiny_recipe

import napari_diffir._layer_files as layer_files
from diffir_core.errors import InputError
from napari_diffir._crops import beside
from napari_diffir._image_folders import guessed_axes
from napari_diffir._layer_files import LayerImage, write_images
from napari_diffir._noisy_images import (
    PairedImages,
    RepeatedFrames,
    alike_in_axes,
    frames_in_time,
)
from napari_diffir._presets import PRESETS
from napari_diffir._recipes import preset_recipe, saved_recipe
from napari_diffir._run_models import usable_model
from napari_diffir._training_images import CleanImages, TrainingImages, sections


def saw(source: Any) -> set[str]:
    """The files that patches are drawn of."""
    return {
        Path(image.file).name for group in source.sampler._groups for image in group
    }


def write(path: Path, data: NDArray[Any], axes: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        data,
        ome=axes is not None,
        metadata={"axes": axes} if axes else {},
        photometric="minisblack",
    )


def pair(planes: int = 4, size: int = 96) -> PairedImages:
    clean = blobs(planes, size)
    if planes == 1:
        return PairedImages(
            LayerImage(noisy(clean)[0], "YX"), LayerImage(clean[0], "YX")
        )
    return PairedImages(LayerImage(noisy(clean), "ZYX"), LayerImage(clean, "ZYX"))


@pytest.mark.parametrize("planes", [1, 4])
def test_pairs_of_layers_are_kept_in_the_run(tmp_path: Path, planes: int) -> None:
    recipe = tiny_recipe(tmp_path, images=pair(planes))
    assert recipe.noise is None
    data = data_of(recipe)
    assert data.held_back is not None
    batch = data.training.batch(0, 32, range(2))
    # The noise has a deviation of 120 of the 1600 from dark to bright.
    assert 0.03 < float((batch.noisy - batch.clean).std()) < 0.2
    kept = {"noisy_held_back.tif"} if planes == 1 else {"noisy.tif"}
    assert saw(data.held_back) == kept
    assert saw(data.training) == {"noisy.tif"}


def test_the_part_held_back_is_the_same_whatever_the_seed(tmp_path: Path) -> None:
    plane = blobs(1, 80)[0].astype(np.float64)
    images = CleanImages(LayerImage(plane, "YX"))
    recipe = tiny_recipe(tmp_path, images=images)
    for seed in range(4):
        data = data_of(recipe.replace(seed=seed))
        assert saw(data.held_back) == {"clean_held_back.tif"}
        assert saw(data.training) == {"clean.tif"}
    assert tifffile.imread(tmp_path / "images/clean.tif").shape == (48, 80)


def test_partners_are_thinned_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = blobs(8, 32)
    monkeypatch.setattr(layer_files, "_MAX_BYTES", clean.nbytes)
    single = LayerImage(clean.astype(np.float32), "ZYX")
    write_images(tmp_path, {"noisy": LayerImage(clean, "ZYX"), "clean": single})
    for name in ("noisy", "clean"):
        planes = tifffile.imread(tmp_path / f"images/{name}.tif")
        assert np.array_equal(planes, clean[::2])


@pytest.mark.parametrize(
    ("other", "axes", "word"),
    [
        (blobs(3, 96), "ZYX", "shape"),
        (blobs(4, 96), "TYX", "axes"),
        (Path("clean"), "", "folder"),
    ],
)
def test_pairs_that_do_not_match_are_refused(other: Any, axes: str, word: str) -> None:
    first = LayerImage(noisy(blobs(4, 96)), "ZYX")
    second = LayerImage(other, axes) if axes else other
    with pytest.raises(InputError, match=word):
        PairedImages(first, second)
    with pytest.raises(InputError, match="same layer"):
        PairedImages(first, first)


def test_unnamed_axes_follow_the_named_ones() -> None:
    first, second = (LayerImage(blobs(), axes) for axes in ("ZYX", "TYX"))
    both = alike_in_axes(first, second, (True, False))
    assert [image.axes for image in both] == ["TYX", "TYX"]
    both = alike_in_axes(first, second, (False, False))
    assert [image.axes for image in both] == ["ZYX", "TYX"]
    assert frames_in_time(first, is_guessed=True).axes == "TYX"
    assert frames_in_time(first, is_guessed=False).axes == "ZYX"


def test_a_patch_that_does_not_fit_is_explained_at_the_start(tmp_path: Path) -> None:
    recipe = preset_recipe(
        tmp_path, preset="paper", network="small, new", images=pair(4, 96)
    )
    with pytest.raises(InputError, match=r"noisy\.tif.* 96 x 96 .* 512 x 512"):
        data_of(recipe)


def test_folders_of_pairs_are_used_where_they_are(tmp_path: Path) -> None:
    for i, clean in enumerate(blobs(3, 96)):
        write(tmp_path / f"raw/{i}.tif", noisy(clean))
        write(tmp_path / f"gt [1]/{i}.tif", clean)
    images = PairedImages(tmp_path / "raw", tmp_path / "gt [1]")
    run = tmp_path / "run"
    data = data_of(tiny_recipe(run, images=images))
    assert not run.exists()
    assert saw(data.training) | saw(data.held_back) == {"0.tif", "1.tif", "2.tif"}
    assert [crop.shape for crop in images.crops()] == [(96, 96)] * 2
    (tmp_path / "gt [1]/2.tif").unlink()
    with pytest.raises(InputError, match=r"2\.tif has no partner"):
        images.crops()


@pytest.mark.parametrize("kind", ["clean", "paired"])
def test_a_folder_with_one_plane_is_cut_like_a_layer(tmp_path: Path, kind: str) -> None:
    clean = blobs(1, 96)[0]
    write(tmp_path / "raw/a.tif", noisy(clean))
    write(tmp_path / "gt/a.tif", clean)
    images: TrainingImages = CleanImages(tmp_path / "gt")
    if kind == "paired":
        images = PairedImages(tmp_path / "raw", tmp_path / "gt")
    data = data_of(tiny_recipe(tmp_path / "run", images=images))
    name = "noisy" if kind == "paired" else "clean"
    assert saw(data.held_back) == {f"{name}_held_back.tif"}


def test_folders_of_clean_images_are_used_where_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "my [images]"
    write(folder / "a.tif", blobs(3))
    write(folder / "b.TIFF", blobs(2))
    (folder / "notes.txt").write_text("no image")
    images = CleanImages(folder)
    data = data_of(tiny_recipe(tmp_path / "run", images=images))
    assert saw(data.training) | saw(data.held_back) == {"a.tif", "b.TIFF"}
    assert not (tmp_path / "run").exists()
    assert images.crops()[0].shape == (72, 72)


def frames_of(clean: NDArray[np.uint16], count: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 120, (count, *clean.shape))
    return (clean + noise).clip(0).astype(np.uint16)


def test_repeated_frames_of_a_layer_hold_a_part_of_the_place_back(
    tmp_path: Path,
) -> None:
    clean = blobs(1, 96)[0]
    images = RepeatedFrames(LayerImage(frames_of(clean, 5), "TYX"))
    data = data_of(tiny_recipe(tmp_path, images=images))
    assert saw(data.held_back) == {"frames_held_back.tif"}
    batch = data.training.batch(0, 32, range(2))
    # Of a frame and the mean of four others: a fifth more noise than that of one.
    assert 0.03 < float((batch.noisy - batch.clean).std()) < 0.2
    frame, mean = images.crops()
    assert frame.std() > mean.std()
    for axes in ("ZYX", "YTX"):
        still = LayerImage(frames_of(clean, 5)[:, :1], axes)
        with pytest.raises(InputError, match="named t"):
            RepeatedFrames(still)


def test_folders_of_repeated_frames(tmp_path: Path) -> None:
    for field, clean in enumerate(blobs(2, 96)):
        for number, frame in enumerate(frames_of(clean, 3)):
            write(tmp_path / f"fields/{field}/{number}.tif", frame)
        write(tmp_path / f"stacks/{field}.tif", frames_of(clean, 3), "TYX")
        write(tmp_path / f"unnamed/{field}.tif", frames_of(clean, 3))
    for folder in ("fields", "stacks", "unnamed"):
        images = RepeatedFrames(tmp_path / folder)
        data = data_of(tiny_recipe(tmp_path / "run", images=images))
        assert len(saw(data.training)) == len(saw(data.held_back)) == 1
        assert len(images.crops()) == 2
    with pytest.raises(InputError, match="1 frame"):
        RepeatedFrames(tmp_path / "fields/0").crops()


@pytest.mark.parametrize(
    ("named", "shape", "axes"),
    [
        (None, (8, 9), None),
        (None, (3, 8, 9), "ZYX"),
        (None, (2, 3, 8, 9), "TZYX"),
        ("TYX", (3, 8, 9), None),
    ],
)
def test_unnamed_axes_of_files_are_those_of_napari(
    tmp_path: Path, named: str | None, shape: tuple[int, ...], axes: str | None
) -> None:
    write(tmp_path / "a.tif", np.zeros(shape, np.uint8), named)
    assert guessed_axes(tmp_path / "a.tif") == axes


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"nota tiff")
    with pytest.raises(InputError, match=r"a\.tif is not a readable TIFF"):
        CleanImages(tmp_path).prepare(tmp_path / "run")


def test_crops_lie_side_by_side() -> None:
    picture = beside(pair().crops())
    assert picture.dtype == np.uint8
    assert picture.shape == (96, 2 * 96 + 4)
    left, right = picture[:, :96].astype(float), picture[:, 100:].astype(float)
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.8


def test_the_device_is_in_the_recipe_and_may_change(tmp_path: Path) -> None:
    recipe = preset_recipe(
        tmp_path, preset="quick", network="small, new", images=pair(), device="cpu"
    )
    assert recipe.loop.device == "cpu"
    assert recipe.card is not None
    assert "noisy and the clean images" in recipe.card.degradation
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert saved_recipe(tmp_path) == recipe
    changed = saved_recipe(tmp_path, device="auto")
    assert changed.loop.device == "auto"
    assert changed.unchanging() == recipe.unchanging()


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_held_back_joins_the_preset(tmp_path: Path, preset: str) -> None:
    recipe = preset_recipe(
        tmp_path, preset=preset, network="small, new", images=pair(1)
    )
    assert recipe.validation is not None
    assert recipe.validation.held_back_files == "*_held_back*"
    assert recipe.validation.steps == PRESETS[preset].validation["steps"]


_HEADER = "stage,step,psnr_db,ssim,input_psnr_db,is_best\n"
_ROWS = {
    "ground_truth": "ground_truth,10,40,0.9,20,True\n",
    "estimation": "estimation,20,25,0.9,20,True\n",
    "joint": "joint,30,31.25,0.9,20,True\n",
    "worse": "joint,40,30,0.9,20,False\n",
}


@pytest.mark.parametrize(
    ("rows", "file", "word"),
    [
        ([], "stage2", "last"),
        (["ground_truth"], "stage2", "last"),
        (["ground_truth", "estimation"], "stage2", "last"),
        (["ground_truth", "joint", "worse"], "best", "step 30 (31.2 dB)"),
    ],
)
def test_the_best_validated_model_of_the_last_stage_is_offered(
    tmp_path: Path, rows: list[str], file: str, word: str
) -> None:
    assert usable_model(tmp_path) is None
    if rows:
        text = _HEADER + "".join(_ROWS[row] for row in rows)
        (tmp_path / "validation.csv").write_text(text)
        (tmp_path / "best.safetensors").touch()
    assert usable_model(tmp_path) is None  # Stage 1 alone restores nothing.
    (tmp_path / "stage2.safetensors").touch()
    model = usable_model(tmp_path)
    assert model is not None
    assert model.path.stem == file
    assert word in model.description


def test_sections_leave_validation_alone_unless_something_is_cut(
    tmp_path: Path,
) -> None:
    kind = {"kind": "repeated", "pattern": "*"}
    assert "validation" not in sections(tmp_path, kind)
    (planes,) = (
        training_images.open_planes(path)
        for path in [_written(tmp_path, LayerImage(blobs(), "ZYX"))]
    )
    assert len(planes) == 4


@pytest.mark.parametrize(
    ("axes", "shape"), [("YXS", (96, 96, 3)), ("CYX", (2, 96, 96)), ("YX", (96, 96))]
)
def test_channels_of_one_place_are_cut_like_a_single_plane(
    tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    data = np.random.default_rng(0).poisson(50, shape).astype(np.uint8)
    images = CleanImages(LayerImage(data, axes))
    opened = data_of(tiny_recipe(tmp_path, images=images))
    assert saw(opened.training) == {"clean.tif"}
    assert saw(opened.held_back) == {"clean_held_back.tif"}


@pytest.mark.parametrize("kind", ["?", "b", "B", "e", "i8", "u8", ">u2", "f8"])
def test_a_layer_of_any_type_keeps_its_values(tmp_path: Path, kind: str) -> None:
    data = (blobs(2, 40).astype(np.int64) - 1000) // 8
    data = (data if kind in ("b", "i8", "f8", "e") else abs(data)).astype(kind)
    data = data * np.int64(10**12) if kind == "i8" else data
    write_images(tmp_path, {"clean": LayerImage(data, "ZYX")})
    written = tifffile.imread(tmp_path / "images/clean.tif")
    assert np.array_equal(written, data.astype(written.dtype))
    assert (written.min(), written.max()) == (data.min(), data.max())


def test_a_layer_that_no_file_keeps_is_refused(tmp_path: Path) -> None:
    huge = np.full((2, 40, 40), 2**60, np.uint64)
    with pytest.raises(InputError, match=r"beyond 2\^53"):
        write_images(tmp_path, {"clean": LayerImage(huge, "ZYX")})
    both = np.zeros((2, 40, 40, 3), np.uint8)
    with pytest.raises(InputError, match="a layer for each channel"):
        write_images(tmp_path, {"clean": LayerImage(both, "CYXS")})


def test_images_of_a_person_are_not_replaced(tmp_path: Path) -> None:
    image = LayerImage(blobs(2, 40), "ZYX")
    for _ in range(2):  # A start that came to nothing may be tried again.
        write_images(tmp_path, {"clean": image})
    mine = tmp_path / "mine" / "images" / "clean.tif"
    write(mine, blobs(1, 40)[0])
    before = mine.read_bytes()
    with pytest.raises(InputError, match="not written for a training"):
        write_images(tmp_path / "mine", {"clean": image})
    assert mine.read_bytes() == before


def _written(run: Path, image: LayerImage) -> Path:
    assert write_images(run, {"clean": image}) is None
    return run / "images" / "clean.tif"
