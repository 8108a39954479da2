"""Whether something is invented where nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.metrics._checks import check_image

_WINDOW = 7
_DEVIATIONS = 3.5
LIMIT = _DEVIATIONS / _WINDOW
"""In standard deviations of the noise: what the mean of 7 x 7 pixels of white noise
exceeds in one of 2000 places."""


@dataclass(frozen=True, slots=True)
class FalseStructure:
    """What a restored field of pure noise shows although there is nothing."""

    spread: float
    """Standard deviation of the restored field over that of the noise; 0 is perfect,
    1 leaves the noise as it is."""
    share: float
    """Share of the pixels that are further from the level than `LIMIT`: structures that
    somebody might count. Averaging 7 x 7 pixels gives 0.0005."""


def empty_field(
    shape: tuple[int, int],
    level: float,
    gain: float,
    read_noise: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Give a constant with the noise of a camera, in counts, unrounded.

    Poisson noise of `gain` counts a photon, and Gaussian read noise (Foi et al., IEEE
    Transactions on Image Processing 17, 2008).

    Parameters
    ----------
    shape
        (y, x).
    level
        Mean, at least 0, in counts.
    gain
        Counts a photon, above 0.
    read_noise
        Standard deviation in counts.
    generator
        Where the noise comes from.
    """
    photons = generator.poisson(level / gain, shape)
    return gain * photons + read_noise * generator.standard_normal(shape)


def false_structure(
    restored: NDArray[Any], level: float, noise_std: float
) -> FalseStructure:
    """Say how much structure a restored empty field has; needs no reference image.

    Parameters
    ----------
    restored
        The restoration of a field that is constant but for its noise.
    level
        The constant. A restored field that is wrong altogether counts as structure.
    noise_std
        Standard deviation of the noise before restoration, above 0.
    """
    check_image(restored)
    off = (np.asarray(restored, np.float64) - level) / noise_std
    return FalseStructure(float(off.std()), float(np.mean(np.abs(off) > LIMIT)))
