"""How near restored images come to their references, beside the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core import metrics
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.restoring import restore
from diffir_training.evaluation._stacks import StackPair, check_pair, read_pair
from diffir_training.images._partners import Partners

Float64 = NDArray[np.float64]
_BYTE_RANGE = 255.0
_OTHER_UNITS_DB = 6.0
"""A frame that is as a whole a tenth dimmer than its reference may lack 3."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Numbers of one image against its reference; means over its planes."""

    psnr: float
    """In dB."""
    scale_invariant_psnr: float
    """In dB, after the gain and offset that fit best."""
    ssim: float
    range_invariant_ssim: float
    gain_error: float
    """Slope of the bias against intensity: -0.1 is a tenth less contrast."""
    residual_lag1: float
    """Autocorrelation of what was taken away, ``noisy - restored``, at one pixel; of
    the input, that of the noise itself, ``noisy - reference``."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A pair, before and after."""

    partners: Partners
    data_range: float
    """The peak of PSNR and SSIM."""
    given: Quality
    restored: Quality

    @property
    def is_in_other_units(self) -> bool:
        """Whether a gain and an offset would bring the result much nearer."""
        nearer_db = self.restored.scale_invariant_psnr - self.restored.psnr
        return nearer_db > _OTHER_UNITS_DB


def evaluate_partners(
    partners: Sequence[Partners],
    model: Model,
    *,
    axes: str | None = None,
    options: RestoreOptions | None = None,
) -> Iterator[Evaluated]:
    """Restore noisy images and compare, one after the other.

    Sizes and values of all files are checked before the first is restored, so that no
    work is lost. Each file is held in memory whole. The peak of PSNR and SSIM is 255
    for 8 bits, and else the range of the reference. A noisy image that is smaller than
    its reference, for a model with a scale, is compared after cubic interpolation.
    """
    for one in partners:
        check_pair(one, axes, model.config)
    for one in partners:
        pair = read_pair(one, axes, model.config.scale)
        given = _enlarged(pair.noisy, model.config.scale)
        restored = restore(pair.noisy, model, axes="TCYX", options=options)
        peak = _data_range(pair)
        yield Evaluated(
            one,
            peak,
            _quality(given, pair.reference, given - pair.reference, peak),
            _quality(restored, pair.reference, given - restored, peak),
        )


def mean_quality(found: Sequence[Quality]) -> Quality:
    """Average each number over images."""
    names = [field.name for field in fields(Quality)]
    return Quality(
        **{name: float(np.mean([getattr(q, name) for q in found])) for name in names}
    )


def _data_range(pair: StackPair) -> float:
    if pair.noisy.dtype == np.uint8:
        return _BYTE_RANGE
    return float(np.ptp(pair.reference)) or 1.0


def _enlarged(noisy: NDArray[Any], scale: int) -> Float64:
    values = noisy.astype(np.float64)
    if scale == 1:
        return values
    from scipy.ndimage import zoom

    grid = {"mode": "nearest", "grid_mode": True}  # Pixels are areas, not points.
    return np.asarray(zoom(values, (1, 1, scale, scale), order=3, **grid))


def _quality(
    image: NDArray[Any], reference: Float64, removed: Float64, peak: float
) -> Quality:
    def mean(measure: Callable[[Float64, Float64], float]) -> float:
        planes = zip(_planes(image), _planes(reference), strict=True)
        return float(np.mean([measure(one, other) for one, other in planes]))

    return Quality(
        psnr=metrics.psnr(image, reference, peak),
        scale_invariant_psnr=metrics.scale_invariant_psnr(image, reference, peak),
        ssim=mean(lambda one, other: metrics.ssim(one, other, peak)),
        range_invariant_ssim=mean(metrics.range_invariant_ssim),
        gain_error=metrics.bias_by_intensity(image, reference).gain_error,
        residual_lag1=float(
            np.mean([metrics.autocorrelation(p)[0] for p in _planes(removed)])
        ),
    )


def _planes(stack: NDArray[Any]) -> Float64:
    return np.asarray(stack, np.float64).reshape(-1, *stack.shape[-2:])
