"""Resolution from two frames of the same field, by Fourier ring correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.metrics._checks import check_alike

Float64 = NDArray[np.float64]
_THRESHOLD = 1 / 7
_SMOOTHED_RINGS = 5


@dataclass(frozen=True, slots=True, eq=False)
class RingCorrelation:
    """Correlation of two images ring by ring in Fourier space."""

    frequencies: Float64
    """(rings,) middle of each ring in cycles a pixel, up to Nyquist's 0.5."""
    correlations: Float64
    """(rings,) 1 where both images agree, about 0 where they have noise alone."""


def fourier_ring_correlation(
    first: NDArray[Any], second: NDArray[Any]
) -> RingCorrelation:
    """Correlate two planes ring by ring (Nieuwenhuizen, Nature Methods 10, 2013).

    Parameters
    ----------
    first, second
        (y, x) of the same shape: two frames with noise of their own. Their means are
        taken off, and a Hann window hides that opposite edges do not meet.
    """
    check_alike(first, second, 2 * (_SMOOTHED_RINGS // 2 + 1), dimensions=2)
    one, other = (_spectrum(image) for image in (first, second))
    rings, frequencies = _rings(one.shape)
    cross = _sums((one * other.conj()).real, rings, len(frequencies))
    power = _sums(np.abs(one) ** 2, rings, len(frequencies))
    power = power * _sums(np.abs(other) ** 2, rings, len(frequencies))
    root = np.sqrt(power)
    return RingCorrelation(
        frequencies, np.divide(cross, root, out=np.zeros_like(cross), where=root > 0)
    )


def resolution(
    first: NDArray[Any], second: NDArray[Any], pixel_size: float = 1.0
) -> float:
    """Give the smallest period that two frames agree on, in units of `pixel_size`.

    Where the ring correlation, a median of 5 rings, falls below 1/7 first. It says
    what is repeatable: a restoration that invents the same thing twice looks sharp, so
    read it beside an error against a reference.

    Returns
    -------
    Two pixels (Nyquist) if the frames agree on all; infinity if on nothing.
    """
    found = fourier_ring_correlation(first, second)
    smooth = _smoothed(found.correlations)
    (below,) = np.nonzero(smooth < _THRESHOLD)
    if not len(below):
        return 2.0 * pixel_size
    if below[0] == 0:
        return float("inf")
    pair = slice(below[0] - 1, below[0] + 1)
    # Correlation falls, and np.interp wants rising abscissae.
    crossing = np.interp(_THRESHOLD, smooth[pair][::-1], found.frequencies[pair][::-1])
    return pixel_size / float(crossing)


def _spectrum(image: NDArray[Any]) -> NDArray[np.complex128]:
    values = np.asarray(image, np.float64)
    height, width = values.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    return np.fft.fft2((values - values.mean()) * window)


def _rings(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], Float64]:
    """Give each frequency the number of its ring; the last number is outside."""
    count = min(shape) // 2
    down, across = (np.fft.fftfreq(size) for size in shape)
    radius = np.hypot(down[:, None], across[None, :])
    numbers = np.minimum((radius * 2 * count).astype(np.int64), count)
    return numbers, (np.arange(count) + 0.5) / (2 * count)


def _sums(values: Float64, rings: NDArray[np.int64], count: int) -> Float64:
    sums = np.bincount(rings.ravel(), values.ravel(), minlength=count + 1)
    return np.asarray(sums[:count], np.float64)


def _smoothed(values: Float64) -> Float64:
    """Take medians of neighbours, which leave a steep fall where it is."""
    padded = np.pad(values, _SMOOTHED_RINGS // 2, "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED_RINGS)
    return np.asarray(np.median(windows, axis=-1), np.float64)
