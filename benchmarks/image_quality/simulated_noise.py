"""Noise on clean images, seeded by names; written anew, apart from training's."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from image_quality.pairs import RANGE, Image, Pair

_PHOTONS = 40.0
"""At the brightest of a simulated image; each photon is `RANGE` / 2 / 40 counts."""
_READ_NOISE = 2.0
BLACK_LEVEL = 10.0


def simulated(name: str, clean: Image, photons: float = _PHOTONS) -> Pair:
    """Give an image, stretched to 8 bit, the noise of a dim camera; seeded by name."""
    signal = stretched(clean) * RANGE / 2
    gain = RANGE / 2 / photons
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noisy = gain * rng.poisson(signal / gain) + BLACK_LEVEL
    noisy = noisy + _READ_NOISE * rng.standard_normal(signal.shape)
    return Pair(name, "simulated", eight_bit(noisy), signal + BLACK_LEVEL)


def scanned(
    name: str,
    group: str,
    clean: Image,
    quanta: float,
    blur_px: tuple[float, float],
    lines: float = 0.0,
) -> Pair:
    """Give an image, stretched to 8 bit, shot noise that is blurred along (y, x)."""
    signal = stretched(clean) * quanta
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shot = rng.poisson(signal) - signal
    noise = ndimage.gaussian_filter(shot, blur_px) / _root_of_kept_power(blur_px)
    noise += lines * np.sqrt(quanta) * rng.standard_normal((len(signal), 1))
    gain = RANGE / 2 / quanta
    counts = gain * (signal + noise) + BLACK_LEVEL
    return Pair(name, group, eight_bit(counts), gain * signal + BLACK_LEVEL)


def _root_of_kept_power(blur_px: tuple[float, float]) -> float:
    """Give by how much a blur lowers the deviation of white noise."""
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    return float(np.linalg.norm(ndimage.gaussian_filter(impulse, blur_px)))


def stretched(clean: Image) -> NDArray[np.float64]:
    """Make the background 0 and the bright end 1; single pixels may be brighter."""
    values = clean.astype(np.float64)
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip((values - low) / (high - low), 0, None)


def binned(image: Image, factor: int = 2) -> NDArray[np.float64]:
    """Give the means of so many by so many pixels, of the first channel."""
    plane = image if image.ndim == 2 else image[..., 0]
    rows, columns = (size // factor for size in plane.shape)
    whole = plane[: rows * factor, : columns * factor].astype(np.float64)
    parts = whole.reshape(rows, factor, columns, factor)
    return np.asarray(parts.mean(axis=(1, 3)))


def eight_bit(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Round to counts of 8 bits, and clip to their range."""
    return np.clip(np.rint(counts), 0, RANGE).astype(np.uint8)
