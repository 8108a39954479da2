"""Draw what becomes of walls a pixel thin, for docs/trust.md.

python tools/picture_fine_structure.py docs/images/fine-structure.png

Drawn cells, seen by simulated cameras of 1000 and 30 photons at the bright end; noisy,
restored without and with the fine structure that is given back, and the truth.
"""

from __future__ import annotations

import sys

import numpy as np
from diffir_training.degradations import Camera
from numpy.typing import NDArray
from side_by_side import Grey, above, beside, enlarged, grey
from skimage.io import imsave

import diffir_core as diffir
from diffir_core import metrics

_PHOTONS = (1000.0, 30.0)
_SIDE, _SCALE = 128, 2


def main(path: str) -> None:
    """Restore and draw."""
    model = diffir.load_model("fluo-denoise")
    rows = [row(walls(), photons, model) for photons in _PHOTONS]
    imsave(path, enlarged(above(rows), _SCALE), check_contrast=False)


def walls() -> NDArray[np.float32]:
    """Draw cells whose walls are a pixel thin, and of unlike brightness."""
    rng = np.random.default_rng(3)
    seeds, light = rng.uniform(0, _SIDE, (160, 2)), rng.uniform(0.2, 1, 160)
    grid = np.stack(np.mgrid[:_SIDE, :_SIDE], -1)[..., None, :]
    distances = np.sqrt(np.square(grid - seeds).sum(-1))
    first, second = np.sort(distances, axis=-1)[..., :2].transpose(2, 0, 1)
    image = np.exp(-np.square(second - first)) * light[distances.argmin(-1)]
    return image.astype(np.float32)


def row(clean: NDArray[np.float32], photons: float, model: diffir.Model) -> Grey:
    """Give noisy, restored, restored with structure, and true, side by side."""
    camera = Camera(
        photons=photons,
        background=0.1,
        read_noise=1.0,
        correlation_pixels=0.0,
        hot_pixels=0,
        gain=20000 / photons,
        offset=200.0,
        full_scale=65535,
    )
    noisy = camera.expose(clean, np.random.default_rng(1)).astype(np.uint16)
    truth = camera.expected(clean)
    images: list[NDArray[np.generic]] = [noisy]
    for keeps in (False, True):
        options = diffir.RestoreOptions(keep_fine_structure=keeps)
        images.append(diffir.restore(noisy, model, axes="YX", options=options))
    decibels = [metrics.psnr(image, truth, float(np.ptp(truth))) for image in images]
    print(
        "{:g} photons: noisy {:.1f} dB, restored {:.1f} dB, with fine structure "
        "{:.1f} dB".format(photons, *decibels)
    )
    low, high = np.percentile(truth, (0.5, 99.8))
    return beside([grey(image, low, high) for image in (*images, truth)])


if __name__ == "__main__":
    main(sys.argv[1])
