"""Whether what was removed looks like noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.metrics._checks import check_image


def autocorrelation(
    residual: NDArray[Any], lags: Sequence[int] = (1, 2)
) -> tuple[float, ...]:
    """Give the autocorrelation of a residual plane at some lags, in pixels.

    The sample autocovariance over the variance (Box and Jenkins, Time Series Analysis,
    1970), of pairs of pixels along x and of pairs along y, averaged. White noise has 0;
    structure that was taken away with the noise raises it. The noise of a camera may be
    correlated itself: compare with that of ``noisy - reference``.

    Parameters
    ----------
    residual
        ``noisy - restored``, (y, x); its mean is taken off.
    lags
        Distances in pixels, smaller than the plane.

    Returns
    -------
    One coefficient a lag, -1 to 1; 0 for a constant residual.
    """
    if min(lags, default=1) < 1:
        raise InputError(f"Lags are pixels from 1 on, not {tuple(lags)}.")
    check_image(residual, max(lags, default=0) + 1, dimensions=2)
    values = np.asarray(residual, np.float64)
    values = values - values.mean()
    variance = float(np.mean(values**2))
    if variance == 0:
        return tuple(0.0 for _ in lags)
    return tuple(
        float(np.mean(values[:, lag:] * values[:, :-lag])) / (2 * variance)
        + float(np.mean(values[lag:] * values[:-lag])) / (2 * variance)
        for lag in lags
    )
