"""Draw what a restoration is worth when light becomes scarce, for docs/trust.md.

python tools/picture_trust.py docs/images/trust.png

The sample's reference, seen by simulated cameras of 30, 5, and 1 photons at its bright
end; noisy, restored, how unsure (`restore_samples`, kind noise), and the reference.
"""

from __future__ import annotations

import sys

import numpy as np
import tifffile
from diffir_training.degradations import Camera
from numpy.typing import NDArray
from skimage.io import imsave

import diffir_core as diffir
from diffir_core import metrics
from diffir_core.samples import sample_path

_PHOTONS = (30.0, 5.0, 1.0)
_GAIN, _OFFSET, _SCALE, _GAP = 100.0, 200.0, 3, 6
_FULL_SCALE = 65535


def main(path: str) -> None:
    """Restore and draw."""
    reference = tifffile.imread(sample_path("reference"))[8].astype(np.float32)
    clean = (reference - reference.min()) / (reference.max() - reference.min())
    model = diffir.load_model("fluo-denoise")
    rows = [row(clean, photons, model) for photons in _PHOTONS]
    picture = np.vstack([part for one in rows for part in (one, _gap(one, 0))][:-1])
    big = picture.repeat(_SCALE, 0).repeat(_SCALE, 1)
    imsave(path, big, check_contrast=False)


def row(
    clean: NDArray[np.float32], photons: float, model: diffir.Model
) -> NDArray[np.uint8]:
    """Give noisy, restored, unsure and true, side by side, in grey values."""
    camera = Camera(
        photons=photons,
        background=0.05,
        read_noise=0.5,
        correlation_pixels=0.0,
        hot_pixels=0,
        gain=_GAIN,
        offset=_OFFSET,
        full_scale=_FULL_SCALE,
    )
    noisy = camera.expose(clean, np.random.default_rng(1)).astype(np.uint16)
    truth = camera.expected(clean)
    _, deviation = diffir.restore_samples(noisy, model, axes="YX", samples=6)
    restored = diffir.restore(noisy, model, axes="YX").astype(np.float32)
    low, high = np.percentile(truth, (0.5, 99.8))
    peak = float(np.ptp(truth))
    error = float(np.sqrt(np.mean((restored - truth) ** 2)))
    print(
        f"{photons:g} photons: noisy {metrics.psnr(noisy, truth, peak):.1f} dB, "
        f"restored {metrics.psnr(restored, truth, peak):.1f} dB, rms error "
        f"{error / peak:.1%} of the range, mean deviation {deviation.mean() / peak:.1%}"
    )
    images = (noisy, restored, truth)
    grey = [np.clip((image - low) / (high - low), 0, 1) for image in images]
    grey.insert(2, np.clip(deviation / (0.15 * (high - low)), 0, 1))
    parts = [(one * 255).astype(np.uint8) for one in grey]
    return np.hstack([p for one in parts for p in (one, _gap(one, 1))][:-1])


def _gap(image: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    shape = list(image.shape)
    shape[axis] = _GAP // _SCALE
    return np.full(shape, 255, np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
