"""Classical denoisers, and how each finds its strength without the reference.

Gaussian filter and total variation take the strongest of a few settings that removes
no more than the noise: the root mean square of ``noisy - denoised`` is at most the
estimated standard deviation (Morozov's discrepancy principle). Non-local means has a
recommended strength, 0.8 sigma. An oracle takes, for each image, the setting with the
best PSNR, which no user could know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from diffir_core import metrics
from image_quality.noise_fitting import estimate_noise
from image_quality.pairs import RANGE, Image

Filter = Callable[[Image, float], Image]


@dataclass(frozen=True, slots=True)
class Classical:
    """A filter and its settings, from weak to strong."""

    apply: Filter
    settings: Sequence[float]

    def discrepancy(self, noisy: Image) -> Image:
        """Take the strongest that removes no more than the noise."""
        sigma = estimate_noise(noisy)
        chosen = self.apply(noisy, self.settings[0])
        for setting in self.settings[1:]:
            image = self.apply(noisy, setting)
            if np.sqrt(np.mean((noisy.astype(np.float64) - image) ** 2)) > sigma:
                break
            chosen = image
        return chosen

    def oracle(self, noisy: Image, reference: Image) -> Image:
        """Take what comes nearest to the reference."""
        results = [self.apply(noisy, setting) for setting in self.settings]
        return max(results, key=lambda image: metrics.psnr(image, reference, RANGE))


def gaussian(noisy: Image, sigma: float) -> Image:
    """Blur with a Gaussian of `sigma` pixels."""
    return np.asarray(ndimage.gaussian_filter(noisy.astype(np.float64), sigma))


def non_local_means(noisy: Image, strength: float) -> Image:
    """Denoise with scikit-image's non-local means, h = `strength` sigma."""
    sigma = estimate_noise(noisy)
    return denoise_nl_means(
        noisy.astype(np.float64),
        patch_size=5,
        patch_distance=6,
        h=strength * sigma,
        sigma=sigma,
        fast_mode=True,
    )


def total_variation(noisy: Image, weight: float) -> Image:
    """Denoise with scikit-image's total variation; `weight` in sigmas of the noise."""
    sigma = estimate_noise(noisy)
    return denoise_tv_chambolle(noisy.astype(np.float64), weight=weight * sigma)


GAUSSIAN = Classical(gaussian, (0.5, 0.7, 1.0, 1.4, 2.0, 2.8))
NON_LOCAL_MEANS = Classical(non_local_means, (0.5, 0.65, 0.8, 1.0, 1.25))
TOTAL_VARIATION = Classical(total_variation, (0.5, 0.8, 1.2, 1.8, 2.7))
