"""What a training run keeps in its folder: images in, curves and pictures out."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.stacks.axes import check_axes

Points = tuple[tuple[int, float], ...]
"""A curve: (step, value), by ascending step."""

IMAGES = "images"
IMAGE_SUFFIXES = (".tif", ".tiff", ".png")
_MAX_BYTES = 1 << 30
_HELD_BACK = 0.25
_TIFF_KINDS = {"b": np.uint8, "e": np.float32, "l": np.int32, "q": np.float64}


@dataclass(frozen=True, slots=True)
class LayerImage:
    """The array of a layer and its axes, apart from the layer: for any thread."""

    data: Any
    axes: str


def write_images(folder: Path, images: Mapping[str, LayerImage]) -> None:
    """Write arrays to `images/<key>.tif` in a run's folder, Y and X last.

    A run can then be gone on from after the viewer was closed. A single plane is cut
    into `<key>.tif` and `<key>_held_back.tif`, because validation needs a part that
    training does not see. Of more than 1 GiB, evenly spaced planes are taken.
    """
    target = folder / IMAGES
    for key, image in images.items():
        stack, axes = _stack(key, image)
        target.mkdir(parents=True, exist_ok=True)
        if stack.size > stack.shape[-1] * stack.shape[-2]:
            _write(target / f"{key}.tif", stack, axes)
            continue
        axis = -2 if stack.shape[-2] >= stack.shape[-1] else -1
        at = round((1 - _HELD_BACK) * stack.shape[axis])
        seen, held_back = np.split(stack, [at], axis=axis)
        _write(target / f"{key}.tif", seen, axes)
        _write(target / f"{key}_held_back.tif", held_back, axes)


def _stack(key: str, image: LayerImage) -> tuple[NDArray[Any], str]:
    """Give the array with Y and X last, and its axes; samples become channels."""
    check_axes(image.axes, image.data.shape)
    data, axes = _thinned(image), image.axes
    order = [axes.index(axis) for axis in axes if axis not in "YX"]
    order += [axes.index("Y"), axes.index("X")]
    stack = np.transpose(np.asarray(data), order)
    if not np.isfinite(stack).all():
        raise InputError(
            f"The {key} image holds NaN or infinity; training needs finite values."
        )
    axes = "".join(axes[i] for i in order)
    return stack, axes if "C" in axes else axes.replace("S", "C")


def _thinned(image: LayerImage) -> Any:
    """Give evenly spaced parts along the first axis where the whole is too much."""
    data = image.data
    if image.axes[0] in "YXS":
        return data
    return data[:: -(-int(np.prod(data.shape)) * data.dtype.itemsize // _MAX_BYTES)]


def _write(path: Path, stack: NDArray[Any], axes: str) -> None:
    import tifffile

    kind = _TIFF_KINDS.get(stack.dtype.char, stack.dtype)
    tifffile.imwrite(
        path,
        np.ascontiguousarray(stack, kind),
        ome=True,
        photometric="minisblack",
        metadata={"axes": axes},
    )


def image_patterns(folder: Path) -> list[str]:
    """Give a pattern for each kind of image file in a folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; choose the folder of your images.")
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise InputError(
            f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}); choose another "
            "folder."
        )
    return sorted({f"*{file.suffix}" for file in files})


def first_image(folder: Path) -> LayerImage:
    """Read the first image file of a folder, for a look at it."""
    from skimage.io import imread

    pattern = image_patterns(folder)[0]
    data = np.squeeze(np.asarray(imread(sorted(folder.glob(pattern))[0])))
    samples = data.ndim > 2 and data.shape[-1] in (3, 4)
    leading = "TCZ"[3 - (data.ndim - 2 - samples) :] if data.ndim > 2 + samples else ""
    return LayerImage(data, leading + ("YXS" if samples else "YX"))


def holds_run(folder: Path) -> bool:
    """Tell whether a run in this folder can be gone on from."""
    return (folder / "state.pt").is_file() and (folder / "recipe.yaml").is_file()


def new_folder(parent: Path) -> Path:
    """Give the first of run-1, run-2, ... that is not there yet; make nothing."""
    number = 1
    while (parent / f"run-{number}").exists():
        number += 1
    return parent / f"run-{number}"


def newest_preview(folder: Path) -> Path | None:
    """Give the last picture of input, restored and reference, if there is one."""
    return max((folder / "previews").glob("*.png"), default=None)


def usable_model(folder: Path) -> Path | None:
    """Give the trained model that restores images, if training has come so far."""
    path = folder / "stage2.safetensors"
    return path if path.is_file() else None


@dataclass(frozen=True, slots=True)
class History:
    """What the files of a run say about its past."""

    stage: str
    stage_start: int
    """Steps that had been taken when this stage began."""
    losses: Points
    psnrs_db: Points
    input_psnr_db: float


def history(folder: Path) -> History:
    """Read the curves of a run; empty ones if it has none yet."""
    reports, measured = _rows(folder / "log.csv"), _rows(folder / "validation.csv")
    stage = reports[-1]["stage"] if reports else ""
    before = [int(row["step"]) for row in reports if row["stage"] != stage]
    return History(
        stage,
        max(before, default=0),
        _curve(reports, "loss"),
        _curve(measured, "psnr_db"),
        float(measured[-1]["input_psnr_db"]) if measured else float("nan"),
    )


def extended(points: Points, step: int, value: float) -> Points:
    """Add a point; points at or after its step, from before a resume, are dropped."""
    return (*(point for point in points if point[0] < step), (step, value))


def _curve(rows: list[dict[str, str]], column: str) -> Points:
    points: Points = ()
    for row in rows:
        points = extended(points, int(row["step"]), float(row[column]))
    return points


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
