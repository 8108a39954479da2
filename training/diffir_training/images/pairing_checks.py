"""What is refused of patterns, tables and pairs: images that do not come together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from diffir_training.images.checks import Sized

if TYPE_CHECKING:
    from diffir_training.images.planes import Position


def check_some_readable(
    images: int, found: Sequence[Path], pattern: str, folder: Path
) -> None:
    """Refuse a folder or pattern without images."""
    where = f"'{pattern}' below {folder.absolute()}"
    if not found:
        raise InputError(f"Nothing matches {where}; check the folder and the pattern.")
    if not images and all(path.is_dir() for path in found):
        raise InputError(
            f"Only folders match {where}, such as {found[0].name}, where images are "
            "looked for; name the folder that holds the images themselves."
        )
    if not images:
        raise InputError(
            f"None of the {len(found)} files that match {where} is an image of a type "
            "that is read (TIFF, Zarr, PNG, JPEG, BMP); convert them."
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


def check_frames(field: str, frames: int, *, needed: int) -> None:
    """Refuse a field with too few repeated frames."""
    if frames < needed:
        raise InputError(
            f"{field} holds {frames} frame{'s' if frames != 1 else ''}, {needed} are "
            "needed; the pattern must match folders of frames, or stacks along T."
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
            f"{expected}: mend the files or the scale."
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


def _extent(positions: Collection[Position]) -> str:
    axes = sorted({axis for position in positions for axis, _ in position})
    planes = f"{len(positions)} plane{'s' if len(positions) != 1 else ''}"
    return f"{planes} along {''.join(axes)}" if axes else planes
