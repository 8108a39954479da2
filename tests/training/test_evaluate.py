"""`diffir evaluate` as a user types it, on small real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from asking import Command
from diffir_training.evaluation import _scoring, evaluate_partners
from diffir_training.images import Partners
from networks import random_network
from numpy.typing import NDArray
from skimage.io import imsave

from diffir_core import load_model, metrics, save_model
from diffir_core.errors import InputError

Image = NDArray[np.generic]


def diffir(
    *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    code = "from diffir_core.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that restores every image to itself: all its numbers are known."""
    network = random_network()
    network.G.output.weight.data.zero_()
    path = tmp_path_factory.mktemp("models") / "identity.safetensors"
    save_model(path, network)
    return str(path)


def clean_image(seed: int) -> Image:
    y, x = np.mgrid[:48, :40]
    image = 120 + 80 * np.sin(y / (5 + seed)) * np.cos(x / 7)
    return image.astype(np.uint8)


def noisy_image(clean: Image, seed: int) -> Image:
    noise = 10 * np.random.default_rng(seed).standard_normal(clean.shape)
    return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two frames of a field as PNG, one as TIFF, and a clean image nobody needs."""
    noisy, clean = tmp_path / "raw", tmp_path / "gt"
    noisy.mkdir()
    clean.mkdir()
    for seed, name in enumerate(("cell", "cell_2", "unused")):
        imsave(clean / f"{name}.png", clean_image(seed), check_contrast=False)
    for seed, name in enumerate(("cell_1.png", "cell_2.png", "cell_2_b.tif")):
        of_field = clean_image(0 if seed == 0 else 1)
        imsave(noisy / name, noisy_image(of_field, seed), check_contrast=False)
    (noisy / "LICENCE.txt").write_text("not an image")
    return noisy, clean


def test_folders_are_paired_scored_and_written(
    identity: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    noisy, clean = folders
    where = ("--noisy", str(noisy), "--clean", str(clean))
    result = tmp_path / "scores.json"
    done = diffir("evaluate", "--model", identity, *where, "--json", str(result))
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    assert found["model"] == "identity"
    assert [Path(image["clean"]).name for image in found["images"]] == [
        "cell.png",
        "cell_2.png",
        "cell_2.png",
    ]
    expected = metrics.psnr(noisy_image(clean_image(0), 0), clean_image(0), 255)
    first = found["images"][0]
    assert first["data_range"] == 255
    assert first["input"]["psnr"] == pytest.approx(expected)
    assert first["restored"]["psnr"] == pytest.approx(expected)
    assert found["mean"]["input"]["psnr"] == pytest.approx(
        np.mean([image["input"]["psnr"] for image in found["images"]])
    )
    assert f"{expected:.2f}" in done.stdout
    assert "mean of 3" in done.stdout
    for title in ("PSNR", "siPSNR", "SSIM", "riSSIM", "input", "restored"):
        assert title in done.stdout


def test_references_in_other_units_are_told_of(
    identity: str, folders: tuple[Path, Path]
) -> None:
    noisy, clean = folders
    where = ("--noisy", str(noisy), "--clean", str(clean), "--model", identity)
    assert "other units" not in diffir("evaluate", *where).stdout
    (clean / "cell.png").unlink()
    tifffile.imwrite(clean / "cell.tif", clean_image(0).astype(np.float32) / 255)
    told = diffir("evaluate", *where).stdout
    assert "Warning: 1 of 3 references, as cell.tif, is in other units" in told


def test_a_table_gives_gain_and_offset(identity: str, tmp_path: Path) -> None:
    clean = clean_image(0)
    stretched = clean * 200.0 + 1000
    tifffile.imwrite(tmp_path / "noisy.tif", noisy_image(clean, 0))
    tifffile.imwrite(tmp_path / "clean.tif", stretched.astype(np.uint16))
    table = tmp_path / "pairs.csv"
    table.write_text("noisy,clean,gain,offset\nnoisy.tif,clean.tif,0.005,-5\n")
    result = tmp_path / "scores.json"
    done = diffir(
        "evaluate", "--model", identity, "--table", str(table), "--json", str(result)
    )
    assert done.returncode == 0, done.stderr
    quality = json.loads(result.read_text())["images"][0]["input"]
    assert quality["psnr"] == pytest.approx(28.1, abs=0.3)
    assert quality["residual_lag1"] == pytest.approx(0, abs=0.06)


def test_a_folder_that_takes_no_scores_is_told_before_the_work(
    identity: str, tmp_path: Path
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("an administrator can write everywhere")
    tifffile.imwrite(tmp_path / "a.tif", clean_image(0))
    file = str(tmp_path / "a.tif")
    done = diffir(
        "evaluate", "--model", identity, "--noisy", file, "--clean", file,
        "--json", str(folder / "scores.json"),
    )  # fmt: skip
    assert done.returncode == 2
    assert f"Nothing can be written to {folder}; name a file" in done.stderr
    assert not done.stdout


def test_equal_images_are_infinitely_near(identity: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", clean_image(0))
    result = tmp_path / "scores.json"
    file = str(tmp_path / "a.tif")
    done = diffir(
        "evaluate", "--model", identity, "--noisy", file, "--clean", file,
        "--json", str(result),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "inf" in done.stdout
    assert json.loads(result.read_text())["mean"]["restored"]["psnr"] is None


def test_stacks_are_compared_plane_by_plane(identity: str, tmp_path: Path) -> None:
    clean = np.stack([clean_image(seed) for seed in range(3)]).astype(np.uint16)
    noisy = clean + np.random.default_rng(0).integers(0, 9, clean.shape)
    for name, stack in (("a", noisy.astype(np.uint16)), ("b", clean)):
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif", stack, ome=True, metadata={"axes": "ZYX"}
        )
    files = [str(tmp_path / f"{name}.ome.tif") for name in "ab"]
    result = tmp_path / "scores.json"
    done = diffir(
        "evaluate", "--model", identity, "--noisy", files[0], "--clean", files[1],
        "--json", str(result),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(result.read_text())["images"]
    assert image["data_range"] == np.ptp(clean)
    planes = [
        metrics.ssim(a, b, np.ptp(clean)) for a, b in zip(noisy, clean, strict=True)
    ]
    assert image["input"]["ssim"] == pytest.approx(np.mean(planes))


def test_what_the_user_can_mend_is_one_line_and_status_two(
    identity: str,
    folders: tuple[Path, Path],
    tmp_path: Path,
    diffir_command: Command,
) -> None:
    noisy, clean = map(str, folders)
    other = tmp_path / "other"
    other.mkdir()
    small = tmp_path / "small"
    small.mkdir()
    for name in ("cell", "cell_2"):
        imsave(small / f"{name}.png", clean_image(0)[:20], check_contrast=False)
    twice = tmp_path / "twice"
    twice.mkdir()
    for suffix in ("png", "tif"):
        imsave(twice / f"cell.{suffix}", clean_image(0), check_contrast=False)
    imsave(other / "dish.png", clean_image(0), check_contrast=False)
    pair = ("--noisy", noisy, "--clean", clean)
    for arguments, message in (
        ((), "--table"),
        (("--noisy", noisy), "--clean"),
        ((*pair, "--table", "t.csv"), "not both"),
        (("--noisy", noisy, "--clean", "absent"), "no file or folder absent"),
        (("--noisy", "absent.tif", "--clean", clean), "no file or folder absent.tif"),
        (("--noisy", "x.tif", "--clean", "y.tif"), "no file or folder x.tif"),
        (("--noisy", noisy, "--clean", f"{noisy}/LICENCE.txt"), "is no image"),
        (("--noisy", noisy, "--clean", f"{clean}/cell_2.png"), "cell_1.png has no"),
        (("--noisy", noisy, "--clean", str(other)), "cell_1.png has no clean image"),
        (("--noisy", noisy, "--clean", str(twice)), "not clear which"),
        (("--noisy", noisy, "--clean", str(small)), "its size"),
        (("--table", "absent.csv"), "absent.csv"),
        ((*pair, "--json", "absent/scores.json"), "no folder absent"),
        ((*pair, "--model", "absent"), "No model 'absent'"),
        ((*pair, "--device", "abacus"), "abacus"),
    ):
        if "--model" not in arguments:
            arguments = (*arguments, "--model", identity)
        status, said = diffir_command("evaluate", *arguments)
        assert status == 2, (arguments, said)
        assert message in said, (arguments, said)
        assert len(said.strip().splitlines()) == 1, said


def test_one_image_finds_its_partner_in_a_folder(
    identity: str, folders: tuple[Path, Path], diffir_command: Command
) -> None:
    noisy, clean = folders
    scores = Path("scores.json")
    for one, other in (
        (noisy / "cell_2_b.tif", clean),
        (noisy / "cell_2.png", clean / "cell_2.png"),
    ):
        status, said = diffir_command(
            "evaluate", "--model", identity, "--noisy", str(one), "--clean",
            str(other), "--json", str(scores),
        )  # fmt: skip
        assert status == 0, said
        (image,) = json.loads(scores.read_text())["images"]
        assert image["noisy"] == str(one)
        assert image["clean"] == str(clean / "cell_2.png")


def test_brackets_in_a_name_are_no_markup(
    identity: str, tmp_path: Path, diffir_command: Command
) -> None:
    for side in ("raw", "gt"):
        (tmp_path / side).mkdir()
        imsave(tmp_path / side / "c[gfp].png", clean_image(0), check_contrast=False)
    status, said = diffir_command(
        "evaluate", "--model", identity, "--noisy", "raw", "--clean", "gt"
    )
    assert status == 0, said
    assert "c[gfp].png" in said


def test_scores_never_replace_what_is_read_nor_what_is_no_file_of_them(
    folders: tuple[Path, Path], tmp_path: Path, diffir_command: Command
) -> None:
    """All before the model is loaded: there is none of that name."""
    noisy, clean = folders
    (tmp_path / "taken.json").mkdir()
    (tmp_path / "link.json").symlink_to(noisy / "cell_1.png")
    (tmp_path / "pairs.json").write_text("noisy,clean\nraw/cell_1.png,gt/cell.png\n")
    (tmp_path / "my.ipr.json").write_text('{"model": "m", "vector": [1]}')
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    before = (noisy / "cell_1.png").read_bytes()
    pair = ("--noisy", str(noisy), "--clean", str(clean))
    for arguments, name, message in (
        (pair, str(noisy / "cell_1.png"), "name it .json"),
        (pair, ".", "name it .json"),
        (pair, "taken.json", "is a folder"),
        (pair, "link.json", "is the input"),
        (("--table", "pairs.json"), "pairs.json", "is the input"),
        (pair, "my.ipr.json", "holds no scores"),
        (pair, "bytes.json", "holds no scores"),
    ):
        status, said = diffir_command(
            "evaluate", "--model", "absent", *arguments, "--json", name
        )
        assert status == 2, (name, said)
        assert message in said, (name, said)
        assert len(said.strip().splitlines()) == 1, said
    assert (noisy / "cell_1.png").read_bytes() == before
    assert (tmp_path / "pairs.json").read_text().startswith("noisy")
    assert "vector" in (tmp_path / "my.ipr.json").read_text()


@pytest.mark.parametrize(
    ("noisy", "clean", "message"),
    [
        (np.ones((20, 30), np.uint8), np.ones((20, 31), np.uint8), "its size"),
        (
            np.full((20, 30), np.nan, np.float32),
            np.ones((20, 30), np.uint8),
            "b.tif has NaN",
        ),
        (np.ones((20, 30)), np.full((20, 30), np.inf), "gt.tif has NaN or infinite"),
        (np.ones((10, 30), np.uint8), np.ones((10, 30), np.uint8), "10 x 30"),
    ],
)
def test_a_pair_that_cannot_be_compared_is_found_before_one_is_restored(
    identity: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    noisy: Image,
    clean: Image,
    message: str,
) -> None:
    for name, image in (("a", clean_image(0)), ("b", noisy), ("gt", clean)):
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    good, noisy_file, clean_file = (tmp_path / f"{n}.tif" for n in ("a", "b", "gt"))
    monkeypatch.setattr(_scoring, "restore", lambda *_, **__: pytest.fail("Restored."))
    partners = [Partners(good, good), Partners(noisy_file, clean_file)]
    with pytest.raises(InputError, match=message):
        next(evaluate_partners(partners, load_model(identity)))


def test_a_stack_of_too_few_channels_is_found_before_one_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(
        tmp_path / "rgb.safetensors", random_network(in_channels=3, out_channels=3)
    )
    colours = np.stack([clean_image(seed) for seed in range(3)], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", clean_image(0))
    monkeypatch.setattr(_scoring, "restore", lambda *_, **__: pytest.fail("Restored."))
    partners = [Partners(tmp_path / f"{n}.tif", tmp_path / f"{n}.tif") for n in "ab"]
    with pytest.raises(InputError, match="3 channels together"):
        next(evaluate_partners(partners, load_model(tmp_path / "rgb.safetensors")))
