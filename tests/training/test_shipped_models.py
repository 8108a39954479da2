"""Every model that ships does its task on the sample, well above its input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from image_quality.blurred import GaussianPsf, Level, degraded
from scipy import ndimage
from skimage.transform import resize

from diffir_core import load_model, restore
from diffir_core.metrics import psnr
from diffir_core.models import shipped_models
from diffir_core.samples import sample_path

LEVELS = {
    "fluo-denoise": (Level(GaussianPsf(0.0), 30.0), 8.0, 7.5),
    "fluo-denoise-large": (Level(GaussianPsf(0.0), 30.0), 8.0, 7.5),
    "em-denoise": (Level(GaussianPsf(0.0), 30.0), 8.0, 7.5),
    "fluo-deblur": (Level(GaussianPsf(1.5), 100.0), 3.0, 3.0),
    "fluo-sr-x2": (Level(GaussianPsf(0.8), 100.0, binning=2), 2.0, 2.0),
}
"""What each is given, and by how many dB it must be better than that: where pixels have
noise of their own, and where neighbours share it, as in a scan."""


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_better_than_its_input(name: str, scan: bool) -> None:
    level, *gains_db = LEVELS[name]
    level, gain_db = replace(level, scan=scan), gains_db[scan]
    clean = tifffile.imread(sample_path("reference"), key=8)
    image = degraded("sample", clean, level)
    restored = restore(image.counts, load_model(name), axes="YX")
    assert restored.shape == image.clean.shape
    assert restored.dtype == image.counts.dtype
    given = resize(image.units, image.clean.shape, order=3)
    before, after = (
        psnr(one, image.clean, 1.0) for one in (given, image.in_units(restored))
    )
    assert after - before > gain_db
    # Intensities are those of the input.
    assert restored.mean() == pytest.approx(image.counts.mean(), rel=0.005)
    assert np.isfinite(restored).all()


def test_no_pattern_of_pixels_is_drawn_beside_a_bright_spot() -> None:
    """The spot is fifteen times as bright as all else; shuffled pixels gave stripes."""
    y, x = np.mgrid[:96, :96]
    dim = np.exp(-((y - 30) ** 2 + (x - 30) ** 2) / 200)
    spot = np.exp(-((y - 48) ** 2 + (x - 60) ** 2) / 18)
    photons = np.random.default_rng(0).poisson(500 + 100 * dim + 3000 * spot)
    restored = restore(photons.astype(np.float32), load_model("fluo-sr-x2"), axes="YX")
    for axis in (0, 1):
        stripes = ndimage.convolve1d(restored, [0.25, -0.5, 0.25], axis=axis)
        assert np.abs(stripes).max() < 0.02 * photons.max()
