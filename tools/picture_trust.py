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
from side_by_side import Grey, above, beside, enlarged, grey
from skimage.io import imsave

import diffir_core as diffir
from diffir_core import metrics
from diffir_core.samples import sample_path

_PHOTONS = (30.0, 5.0, 1.0)
_GAIN, _OFFSET, _SCALE = 100.0, 200.0, 3
_FULL_SCALE = 65535


def main(path: str) -> None:
    """Restore and draw."""
    reference = tifffile.imread(sample_path("reference"))[8].astype(np.float32)
    clean = (reference - reference.min()) / (reference.max() - reference.min())
    model = diffir.load_model("fluo-denoise")
    rows = [row(clean, photons, model) for photons in _PHOTONS]
    imsave(path, enlarged(above(rows), _SCALE), check_contrast=False)


def row(clean: NDArray[np.float32], photons: float, model: diffir.Model) -> Grey:
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
    images = [grey(image, low, high) for image in (noisy, restored, truth)]
    images.insert(2, grey(deviation, 0, 0.15 * (high - low)))
    return beside(images)


if __name__ == "__main__":
    main(sys.argv[1])
