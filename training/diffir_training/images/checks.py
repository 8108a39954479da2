"""What is refused before training starts, each with one sentence that says how to mend.

A run of hours must not end, or learn nonsense, because of what could be seen at once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.metrics import SSIM_SIDE

if TYPE_CHECKING:
    from diffir_training.images.planes import Position

_REAL_KINDS = "uif"
logger = logging.getLogger(__name__)


class Sized(Protocol):
    """Something with a name and the shape of an image."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, y, x)."""


class Shrunk(Sized, Protocol):
    """A clean image whose windows are shrunk by a random factor to patches."""

    @property
    def downscale(self) -> tuple[float, float]:
        """Range of the factors."""


def check_some_readable(images: int, found: int, pattern: str, folder: Path) -> None:
    """Refuse a folder or pattern without images."""
    where = f"'{pattern}' below {folder.absolute()}"
    if not found:
        raise InputError(f"Nothing matches {where}; check the folder and the pattern.")
    if not images:
        raise InputError(
            f"None of the {found} files that match {where} is an image of a type that "
            "is read (TIFF, Zarr, PNG, JPEG, BMP); convert them."
        )


def check_dtype(file: str, dtype: np.dtype[Any]) -> None:
    """Refuse types that are neither integers nor floats."""
    if dtype.kind not in _REAL_KINDS:
        raise InputError(
            f"{file} has pixels of type {dtype}; training takes integers and floats."
        )


def check_finite(name: str, values: NDArray[Any]) -> None:
    """Refuse NaN and infinity among the values that were read."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    raise InputError(
        f"{name} has NaN or infinite values ({nan} and {infinite} of the "
        f"{values.size} looked at); replace them with finite ones."
    )


def check_fits(images: Iterable[Sized], patch_size: int, scale: int = 1) -> None:
    """Refuse images that, `scale` times as large, are smaller than a patch."""
    for image in images:
        _, height, width = image.shape
        if scale * min(height, width) < patch_size:
            raise InputError(
                f"{image.name} has {scale * height} x {scale * width} pixels, a patch "
                f"{patch_size} x {patch_size}; leave the image out or choose smaller "
                "patches."
            )


def check_some_fit(images: Sequence[Shrunk], patch_size: int) -> None:
    """Refuse patches larger than every clean image; smaller ones are told of.

    A smaller image is enlarged to a patch, which its `downscale` may ask for.
    """
    too_small = [image for image in images if _room(image) < patch_size]
    patch = f"a patch of {patch_size} x {patch_size} pixels"
    if images and len(too_small) == len(images):
        largest = max(images, key=_room)
        _, height, width = largest.shape
        raise InputError(
            f"No image has room for {patch}; the largest, {largest.name}, has {height} "
            f"x {width}: choose a smaller patch_size, or larger images."
        )
    if too_small:
        logger.warning(
            "%d of %d images are smaller than %s and are enlarged, such as %s.",
            *(len(too_small), len(images), patch, too_small[0].name),
        )


def check_measured(image: Sized, side: int) -> None:
    """Refuse an image to validate on whose patches are too small to be measured."""
    if side < SSIM_SIDE:
        _, height, width = image.shape
        raise InputError(
            f"{image.name} has {height} x {width} pixels and is held back, but its "
            f"patches of {side} are too small for SSIM, which takes {SSIM_SIDE}; leave "
            "it out, or hold others back (validation.held_back_files)."
        )


def check_comparable(images: Iterable[Sized]) -> None:
    """Refuse references that are too small to be measured."""
    for image in images:
        _, height, width = image.shape
        if min(height, width) < SSIM_SIDE:
            raise InputError(
                f"{image.name} has {height} x {width} pixels, too few to compare; "
                f"SSIM takes {SSIM_SIDE} along each side: leave the image out."
            )


def _room(image: Shrunk) -> float:
    """Give the side of the largest patch that is no more enlarged than asked for."""
    return min(image.shape[1:]) / min(1.0, image.downscale[0])


def check_channels(images: Iterable[Sized], channels: int) -> None:
    """Refuse images of another number of channels than the network gives."""
    for image in images:
        if image.shape[0] != channels:
            raise InputError(
                f"{image.name} has patches of {image.shape[0]} channels and the model "
                f"restores {channels}; set out_channels, or the axes of the images: "
                "an S among them keeps the samples of RGB together."
            )


def check_same_size(noisy: Sized, clean: Sized, scale: int = 1) -> None:
    """Refuse a clean image that is not `scale` times as high and wide as the noisy."""
    channels, height, width = noisy.shape
    expected = (channels, scale * height, scale * width)
    if clean.shape != expected:
        factor = f"{scale} times its height and width" if scale > 1 else "its size"
        raise InputError(
            f"{noisy.name} has the shape {noisy.shape} (channels, y, x) and "
            f"{clean.name} {clean.shape}; the clean image must have {factor}, "
            f"{expected}: mend the files or the option 'scale'."
        )


def check_same_positions(
    noisy: str,
    noisy_positions: Collection[Position],
    clean: str,
    clean_positions: Collection[Position],
) -> None:
    """Refuse stacks whose planes do not correspond."""
    if noisy_positions != clean_positions:
        raise InputError(
            f"{noisy} has {_extent(noisy_positions)} and {clean} "
            f"{_extent(clean_positions)}; pairs need the same planes on both sides, "
            "with 'axes' naming them where the files do not."
        )


def check_frames(field: str, frames: int, *, needed: int) -> None:
    """Refuse a field with too few repeated frames."""
    if frames < needed:
        raise InputError(
            f"{field} holds {frames} frame{'s' if frames != 1 else ''}, {needed} are "
            "needed; the pattern must match folders of frames, or stacks along T."
        )


def check_stars(noisy: str, clean: str) -> None:
    """Refuse patterns whose stars cannot be compared."""
    if noisy.count("*") != clean.count("*"):
        raise InputError(
            f"The patterns '{noisy}' and '{clean}' have different numbers of stars; "
            "what a star matches must be equal in both."
        )


def check_partners(missing: Sequence[Path], pattern: str) -> None:
    """Refuse images without the partner that their name asks for."""
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{missing[0]}{more} has no partner that matches '{pattern}'; add it, or "
            "leave the image out."
        )


def check_columns(
    table: Path, found: Collection[str | None], required: Sequence[str], *more: str
) -> None:
    """Refuse a table that lacks columns, or has columns nobody would read."""
    if missing := [column for column in required if column not in found]:
        raise InputError(
            f"{table} lacks the column '{missing[0]}'; its first line must name "
            f"{', '.join(required)}, and may name {', '.join(more)}."
        )
    allowed = (*required, *more)
    if unknown := [column for column in found if column not in allowed]:
        raise InputError(
            f"{table} has the unknown column '{unknown[0]}'; the columns are "
            f"{', '.join(allowed)}."
        )


def checked_number(text: str, column: str, where: str, *, positive: bool) -> float:
    """Read a finite number from a table, or say where there is none."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or (positive and number <= 0):
        kind = "a positive number" if positive else "a number"
        raise InputError(f"{where}: the {column} is '{text}', not {kind}; mend it.")
    return number


def _extent(positions: Collection[Position]) -> str:
    axes = sorted({axis for position in positions for axis, _ in position})
    planes = f"{len(positions)} plane{'s' if len(positions) != 1 else ''}"
    return f"{planes} along {''.join(axes)}" if axes else planes
