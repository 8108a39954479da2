"""Folders of images on disk: where their files are, as patterns of a recipe."""

from __future__ import annotations

import glob
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from diffir_core.errors import InputError
from napari_diffir._layer_files import LayerImage

_UNKNOWN_AXES = "QI"
"""How tifffile calls axes of which a file says nothing."""
FRAMES_FIRST = "TZC"
"""What unnamed axes of repeated frames are, from the last one on."""


def check_folder(folder: Path) -> None:
    """Refuse what is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; choose the folder of your images.")


def images_in(folder: Path) -> list[Path]:
    """List the image files and Zarr of a folder by name; a Zarr is itself one."""
    from diffir_training.images import is_image

    check_folder(folder)
    if is_image(folder):
        return [folder]
    files = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    images = [path for path in files if is_image(path)]
    if not images:
        raise InputError(
            f"{folder} holds no image (TIFF, Zarr, PNG, JPEG, BMP); choose another "
            "folder."
        )
    return images


def fields_in(folder: Path) -> list[Path]:
    """List what may hold repeated frames in a folder: folders, and images."""
    from diffir_training.images import is_image

    check_folder(folder)
    if is_image(folder):
        return [folder]
    found = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    fields = [path for path in found if path.is_dir() or is_image(path)]
    if not fields:
        raise InputError(f"{folder} holds neither folders nor images; choose another.")
    return fields


def patterns_below(folders: Sequence[Path]) -> tuple[Path, list[str]]:
    """Give a folder that holds all of these, and a pattern for the images of each."""
    from diffir_training.images import is_image

    whole = [folder.resolve() for folder in folders]
    try:
        root = Path(os.path.commonpath([one.parent for one in whole]))
    except ValueError as error:
        raise InputError(
            f"{folders[0]} and {folders[-1]} are on different drives; move the images "
            "to one."
        ) from error
    names = [glob.escape(one.relative_to(root).as_posix()) for one in whole]
    return root, [
        name if is_image(one) else f"{name}/*"
        for one, name in zip(whole, names, strict=True)
    ]


def guessed_axes(file: Path, order: str = "ZTC") -> str | None:
    """Guess the axes of a TIFF that does not name them; None for all other files.

    What is unknown becomes the letters of `order`, from the last axis on, as in napari:
    YX, ZYX, TZYX. Raises `InputError` for what is no TIFF, or a damaged one.
    """
    if file.suffix.lower() not in (".tif", ".tiff"):
        return None
    found = _named_axes(file)
    if not set(found) & set(_UNKNOWN_AXES):
        return None
    free = [letter for letter in order if letter not in found]
    letters = [
        free.pop(0) if letter in _UNKNOWN_AXES and free else letter
        for letter in reversed(found)
    ]
    return "".join(reversed(letters))


def _named_axes(file: Path) -> str:
    """Give the axes of a TIFF as tifffile names them; refuse what is none."""
    import tifffile

    try:
        with tifffile.TiffFile(file) as opened:
            return str(opened.series[0].axes)
    except (tifffile.TiffFileError, ValueError, IndexError, struct.error) as error:
        raise InputError(
            f"{file.name} is not a readable TIFF ({error}); copy it again, or take it "
            f"out of {file.parent}."
        ) from error


def single_plane(folder: Path) -> LayerImage | None:
    """Read the only plane of the only image in a folder; None if there are more."""
    from diffir_training.images import open_planes

    files = images_in(folder)
    axes = guessed_axes(files[0])
    planes = open_planes(files[0], axes) if len(files) == 1 else []
    if len(planes) != 1:
        return None
    _, height, width = planes[0].shape
    return LayerImage(planes[0].read(slice(0, height), slice(0, width))[0], "YX")
