"""Images that are refused before training starts, each with a sentence how to mend it.

A run of hours must not end, or learn nonsense, because of what could be seen at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.metrics import SSIM_SIDE

if TYPE_CHECKING:
    from diffir_training.images.survey import Foreground

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


class Seen(Sized, Protocol):
    """An image that was looked at."""

    @property
    def foreground(self) -> Foreground:
        """Where its structure is."""


class Shrunk(Sized, Protocol):
    """A clean image whose windows are shrunk by a random factor to patches."""

    @property
    def downscale(self) -> tuple[float, float]:
        """Range of the factors."""


def check_dtype(file: str, dtype: np.dtype[Any]) -> None:
    """Refuse types that are neither integers nor floats."""
    if dtype.kind not in _REAL_KINDS:
        raise InputError(
            f"{file} has pixels of type {dtype}, and only integers and floats are "
            "taken; convert it."
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


def check_some_structure(images: Sequence[Seen]) -> None:
    """Tell of images that are all of one value each, as failed exports are.

    Large images were looked at in places, so that spots may have been missed.
    """
    if images and not any(image.foreground.structure.any() for image in images):
        logger.warning(
            "None of the %d clean images shows anything where it was looked at, such "
            "as the one of %s: nothing can be learnt from pixels that are all alike; "
            "choose other images.",
            *(len(images), images[0].name),
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
