"""Blur kernels of Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833).

Every kernel is float32, (size, size), of odd size and sum 1. `r2` is the squared
distance from the centre in units of the kernel's widths along its rotated axes:
``r2 = (u / sigma_x)^2 + (v / sigma_y)^2``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import special

from diffir_core._base import FrozenConfig
from diffir_training.degradations.base import (
    Image,
    PositiveRange,
    SixWeights,
    pick,
)

_SMALL_SINC = 13
"""Kernels below this size cut at pi / 3 or above, larger ones at pi / 5 or above."""


class KernelRanges(FrozenConfig):
    """What a blur kernel of Real-ESRGAN is drawn from."""

    sizes: tuple[Literal[7, 9, 11, 13, 15, 17, 19, 21], ...] = Field(
        (7, 9, 11, 13, 15, 17, 19, 21), min_length=1
    )
    """Heights (and widths) to choose from, in pixels."""
    families: SixWeights = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    """Probabilities of Gaussian, generalised Gaussian and plateau kernels, of each the
    isotropic before the anisotropic ones."""
    sinc_probability: float = Field(0.1, ge=0, le=1)
    """How often a sinc filter, with its ringing, is drawn in place of those."""
    sigma: PositiveRange = (0.2, 3.0)
    """Width, in pixels; an anisotropic kernel has two, and a random rotation."""
    gaussian_beta: PositiveRange = (0.5, 4.0)
    """Shape of a generalised Gaussian; 1 is a Gaussian."""
    plateau_beta: PositiveRange = (1.0, 2.0)
    """Shape of a plateau kernel."""


def draw_kernel(ranges: KernelRanges, generator: np.random.Generator) -> Image:
    """Draw one kernel; its size is not padded, since zeros around it change nothing."""
    size = int(generator.choice(ranges.sizes))
    if generator.random() < ranges.sinc_probability:
        lowest = np.pi / 3 if size < _SMALL_SINC else np.pi / 5
        return sinc_kernel(size, generator.uniform(lowest, np.pi))
    family, anisotropic = divmod(pick(ranges.families, generator), 2)
    sigma_x = sigma_y = generator.uniform(*ranges.sigma)
    rotation = 0.0
    if anisotropic:
        sigma_y = generator.uniform(*ranges.sigma)
        rotation = generator.uniform(-np.pi, np.pi)
    r2 = squared_radius(size, sigma_x, sigma_y, rotation)
    if family == 0:
        return gaussian_kernel(r2)
    if family == 1:
        return gaussian_kernel(r2, _draw_beta(ranges.gaussian_beta, generator))
    return plateau_kernel(r2, _draw_beta(ranges.plateau_beta, generator))


def draw_sinc(sizes: tuple[int, ...], generator: np.random.Generator) -> Image:
    """Draw the sinc filter that ends the pipeline, with a cutoff of pi / 3 to pi."""
    size = int(generator.choice(sizes))
    return sinc_kernel(size, generator.uniform(np.pi / 3, np.pi))


def squared_radius(
    size: int, sigma_x: float, sigma_y: float, rotation: float = 0.0
) -> NDArray[np.float64]:
    """Give `r2` on a (size, size) grid; `rotation` is in radians, from x towards y."""
    offsets = np.arange(size) - size // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    u = x * np.cos(rotation) + y * np.sin(rotation)
    v = y * np.cos(rotation) - x * np.sin(rotation)
    return np.asarray((u / sigma_x) ** 2 + (v / sigma_y) ** 2)


def gaussian_kernel(r2: NDArray[np.float64], beta: float = 1.0) -> Image:
    """Give exp(-r2^beta / 2): a Gaussian for beta = 1, flatter above, peaked below."""
    return _normalised(np.exp(-0.5 * r2**beta))


def plateau_kernel(r2: NDArray[np.float64], beta: float) -> Image:
    """Give 1 / (1 + r2^beta), which is half its peak at one sigma."""
    return _normalised(1 / (1 + r2**beta))


def sinc_kernel(size: int, cutoff: float) -> Image:
    """Give the ideal circular low-pass filter with a cutoff in radians per pixel.

    ``k(r) = cutoff / (2 pi r) * J1(cutoff r)``, cut to the size and normalised.
    """
    r = np.sqrt(squared_radius(size, 1.0, 1.0))
    r[size // 2, size // 2] = 1.0  # The limit replaces the value there.
    kernel = cutoff * special.j1(cutoff * r) / (2 * np.pi * r)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
    return _normalised(kernel)


def _draw_beta(bounds: tuple[float, float], generator: np.random.Generator) -> float:
    """Draw below 1 as often as above it, although the range above is longer."""
    middle = float(np.clip(1.0, *bounds))
    low, high = (bounds[0], middle) if generator.random() < 0.5 else (middle, bounds[1])
    return float(generator.uniform(low, high))


def _normalised(kernel: NDArray[np.float64]) -> Image:
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
