"""Which files a path or a pattern means, and what the stars of a pattern matched."""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from diffir_core.errors import InputError
from diffir_training.images.pairing_checks import check_some_readable

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_STACKS = (".tif", ".tiff", ".btf", ".tf8", ".zarr")
_ZARR_MARKERS = ("zarr.json", ".zarray", ".zgroup")
_WILD = re.compile(r"\*\*/|\*+|\?|\[[^\]]+\]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder that a pattern matched."""

    path: Path
    stars: tuple[str, ...]
    """What the stars of the pattern stand for, without the suffix of an image."""


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    return path.is_dir() and any((path / name).exists() for name in _ZARR_MARKERS)


def is_image(path: Path) -> bool:
    """Tell by its suffix whether a file, or Zarr folder, can be read as an image."""
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        return path.is_dir()
    return suffix in (*PICTURES, *_STACKS) and path.is_file()


def image_files(path: str | Path) -> list[Path]:
    """List the images a path means: a file, a Zarr, a folder of files, or a pattern."""
    here = Path(path)
    if is_zarr(here) or here.is_file():
        return [here]
    if here.is_dir():
        return [found.path for found in matching_images(here, "*")]
    if not glob.has_magic(str(path)):
        raise InputError(f"There is no file or folder {path}; check its name.")
    return [found.path for found in matching_images(Path(), str(path))]


def matching_images(folder: Path, pattern: str) -> list[Found]:
    """List the images that match a pattern below a folder, sorted by name.

    A pattern without stars may name a folder: all its images are meant. Hidden files
    and files of other types, such as a licence beside the images, are left out.
    """
    whole = folder / pattern
    if not glob.has_magic(pattern) and whole.is_dir() and not is_zarr(whole):
        pattern = f"{pattern.rstrip('/')}/*"
    found = matching(folder, pattern)
    images = [one for one in found if is_image(one.path) or is_zarr(whole)]
    paths = [one.path for one in found]
    check_some_readable(len(images), paths, pattern, folder)
    return images


def matching(folder: Path, pattern: str) -> list[Found]:
    """List whatever matches a pattern below a folder, sorted by name.

    The ending of an image may be of any letter case: '*.tif' matches A.TIF, too.
    """
    pattern = _with_any_case(pattern)
    names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))
    expression = re.compile(_expression(pattern))
    found = []
    for name in names:
        match = expression.fullmatch(name.replace(os.sep, "/"))
        stars = match.groups(default="") if match else (name,)
        found.append(Found(folder / name, tuple(map(without_suffix, stars))))
    return found


def _with_any_case(pattern: str) -> str:
    """Let the ending match in any letter case; a name without stars is one file."""
    stem, suffix = os.path.splitext(pattern)
    if suffix.lower() not in (*PICTURES, *_STACKS) or not glob.has_magic(stem):
        return pattern
    return stem + "".join(
        f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suffix
    )


def _expression(pattern: str) -> str:
    """Translate a pattern to a regular expression with one group a star."""
    parts, end = [], 0
    for wild in _WILD.finditer(pattern):
        parts += [re.escape(pattern[end : wild.start()]), _translated(wild.group())]
        end = wild.end()
    return "".join([*parts, re.escape(pattern[end:])])


def _translated(wild: str) -> str:
    if wild == "**/":
        return r"(?:(.*)/)?"
    if wild.startswith("*"):
        return r"([^/]*)"
    if wild == "?":
        return "[^/]"
    inside = wild[1:-1].replace("\\", r"\\").replace("[", r"\[")
    return f"[^{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"


def without_suffix(name: str) -> str:
    """Strip '.tif', '.ome.tif' and the like: 'a.png' may be the partner of 'a.tif'.

    An umlaut may be one letter, or a letter and its dots, as macOS writes it.
    """
    name = unicodedata.normalize("NFC", name)
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in (*PICTURES, *_STACKS):
        return name
    return stem.removesuffix(".ome")
