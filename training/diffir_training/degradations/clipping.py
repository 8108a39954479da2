"""The mean of many exposures where a camera clips each of them.

Noise that reaches below a camera's black level is cut off there, and the mean of the
frames lies above the light that fell in. That mean is what averaged references show and
what anyone would measure on them; the cut-off part cannot be told from one frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

Array = NDArray[np.float64]
_LEVELS = 129
_MOST_POISSON_PHOTONS = 100.0
"""From there on a Poisson distribution is taken for a Gaussian."""


def mean_of_clipped(
    photons: Array, gain: float, read_noise: float, offset: float, full_scale: float
) -> Array:
    """Give the mean of ``clip(gain * (Poisson(photons) + read) + offset)``.

    Parameters
    ----------
    photons
        Mean photons, of any shape, at least 0.
    gain
        Counts per photon.
    read_noise
        Standard deviation, in photons.
    offset, full_scale
        In counts; exposures are clipped to 0 .. full scale.

    Returns
    -------
    Mean counts, in the shape of `photons`: interpolated between levels of light, closer
    to each other where there is little.
    """
    levels = float(photons.max()) * np.linspace(0, 1, _LEVELS) ** 2
    weak = levels[levels <= _MOST_POISSON_PHOTONS]
    strong = levels[len(weak) :]
    means = np.concatenate(
        [
            _poisson_mean(weak, gain, read_noise, offset, full_scale),
            _clipped_gaussian(
                gain * strong + offset,
                gain * np.sqrt(strong + read_noise**2),
                full_scale,
            ),
        ]
    )
    return np.asarray(np.interp(photons, levels, means))


def _poisson_mean(
    levels: Array, gain: float, read_noise: float, offset: float, full_scale: float
) -> Array:
    """Sum over the photons that may be counted, each with Gaussian read noise."""
    counted = np.arange(2 * _MOST_POISSON_PHOTONS)
    rates = np.maximum(levels, 1e-12)[:, None]
    logarithm = counted * np.log(rates) - rates - gammaln(counted + 1)
    deviation = np.full(counted.shape, gain * read_noise)
    counts = _clipped_gaussian(gain * counted + offset, deviation, full_scale)
    return np.asarray(np.exp(logarithm) @ counts)


def _clipped_gaussian(mean: Array, deviation: Array, full_scale: float) -> Array:
    """Give the mean of a Gaussian variable that is clipped to 0 .. full scale."""
    above_zero = _mean_above(mean, deviation)
    return above_zero - _mean_above(mean - full_scale, deviation)


def _mean_above(mean: Array, deviation: Array) -> Array:
    """Give the mean of ``max(x, 0)`` for a Gaussian x."""
    safe = np.maximum(deviation, 1e-12)
    ratio = mean / safe
    density = np.exp(-0.5 * np.minimum(ratio**2, 1e3)) / np.sqrt(2 * np.pi)
    return np.asarray(mean * ndtr(ratio) + safe * density)
