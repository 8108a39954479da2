"""What a microscope does before the camera: blur by a PSF, and pixels that are large.

In a chain the blur and the binning come before the camera, so that the noise is that
of the pixels which saw the light. The target stays sharp and large throughout.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator
from scipy import ndimage, signal

from diffir_core.errors import InputError
from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    NonNegativeRange,
)


class GaussianBlur(DegradationBase):
    """A Gaussian PSF of a random width, the same for all channels."""

    kind: Literal["gaussian_blur"] = "gaussian_blur"
    sigma: NonNegativeRange = (0.5, 2.0)
    """Standard deviation of the PSF, in pixels."""

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Blur `noisy`; mirrored borders keep its sum."""
        sigma = generator.uniform(*self.sigma)
        blurred = ndimage.gaussian_filter(pair.noisy, (0, sigma, sigma), mode="reflect")
        return replace(pair, noisy=np.asarray(blurred, np.float32))


class MeasuredPsfBlur(DegradationBase):
    """A PSF measured with this microscope, the same for all patches and channels."""

    kind: Literal["measured_psf"] = "measured_psf"
    path: Path
    """TIFF or NPY file of one (y, x) plane, odd in height and width, the centre of the
    PSF at the middle pixel, its background subtracted. Any real dtype; the pixel size
    must be that of the images."""

    @field_validator("path")
    @classmethod
    def _home(cls, path: Path) -> Path:
        return Path(os.path.expanduser(path))

    @cached_property
    def psf(self) -> Image:
        """The PSF, float32 (y, x), sum 1; the file is read once."""
        return read_psf(self.path)

    def check_files(self) -> None:
        """Read the PSF, or say why it cannot be used."""
        read_psf(self.path)

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Blur `noisy`, whose borders are mirrored; nothing is random."""
        return replace(pair, noisy=convolve_mirrored(pair.noisy, self.psf))


class Binning(DegradationBase):
    """Pixels `factor` times as large; the target keeps the small ones."""

    kind: Literal["binning"] = "binning"
    factor: Literal[2, 4] = 2
    """Small pixels along each side of a large one."""

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes."""
        return self.factor

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Replace blocks of `noisy` by their mean; nothing is random."""
        return replace(pair, noisy=bin_pixels(pair.noisy, self.factor))


def bin_pixels(image: Image, factor: int) -> Image:
    """Give the means of blocks: (c, y, x) becomes (c, y / factor, x / factor)."""
    c, y, x = image.shape
    if y % factor or x % factor:
        raise InputError(
            f"An image of {y} x {x} pixels cannot be binned by {factor}; choose a "
            f"patch size that is a multiple of {factor}."
        )
    blocks = image.reshape(c, y // factor, factor, x // factor, factor)
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)


def convolve_mirrored(
    image: Image,
    kernel: NDArray[np.float32],
    edge: Literal["symmetric", "reflect"] = "symmetric",
) -> Image:
    """Convolve every (y, x) plane of (c, y, x) with an odd kernel, by FFT.

    The borders are mirrored, with the pixel at the edge repeated (symmetric: a
    symmetric kernel then keeps the sum) or not (reflect).
    """
    rows, columns = (size // 2 for size in kernel.shape)
    padded = np.pad(image, ((0, 0), (rows, rows), (columns, columns)), mode=edge)
    blurred = signal.fftconvolve(padded, kernel[None], mode="valid", axes=(1, 2))
    return np.asarray(blurred, dtype=np.float32)


def read_psf(path: Path) -> Image:
    """Read a PSF of one plane from TIFF or NPY and normalise its sum to 1."""
    stored = np.squeeze(_read_array(path))
    if stored.dtype.kind not in "uif":
        raise InputError(
            f"The PSF in {path} has values of type {stored.dtype}; store it as "
            "integers or floats, such as float32."
        )
    return _normalised(stored.astype(np.float64), path)


def _normalised(psf: NDArray[np.float64], path: Path) -> Image:
    if psf.ndim != 2 or any(size % 2 == 0 for size in psf.shape):
        raise InputError(
            f"The PSF in {path} has the shape {psf.shape}; it must be one plane, odd "
            "in height and width, so crop it around its centre."
        )
    if not np.isfinite(psf).all() or psf.sum() <= 0:
        raise InputError(
            f"The PSF in {path} has the sum {psf.sum():g}; its values must be finite "
            "and their sum positive."
        )
    return np.asarray(psf / psf.sum(), dtype=np.float32)


def _read_array(path: Path) -> NDArray[np.generic]:
    import tifffile

    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        return np.asarray(tifffile.imread(path))
    except (OSError, ValueError, EOFError, tifffile.TiffFileError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"Cannot read the PSF {path}: {reason}; it must be a TIFF or NPY file."
        ) from error
