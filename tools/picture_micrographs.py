"""Draw what `fluo-denoise` and `em-denoise` make of real micrographs.

    python tools/picture_micrographs.py PATH/test docs/images/micrographs.png

Parts of scanning electron micrographs as they were recorded (AxonDeepSeg, MIT): noisy,
by `fluo-denoise`, by `em-denoise`. Nobody knows how they look without noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from side_by_side import Grey, above, beside, enlarged, grey
from skimage.io import imread, imsave

import diffir_core as diffir

_MODELS = ("fluo-denoise", "em-denoise")
_PARTS = {
    "sub-rat7_sample-Maxo03img60_SEM.png": (slice(290, 440), slice(290, 490)),
    "sub-rat8_sample-V915_SEM.png": (slice(250, 400), slice(250, 450)),
}
"""Rows and columns that are shown."""
_AROUND, _SCALE = 50, 2
"""Pixels that are restored around a part, and how large its pixels are drawn."""


def main(data: str, path: str) -> None:
    """Restore and draw."""
    folder = Path(data) / "clean" / "axondeepseg_sem"
    models = [diffir.load_model(name) for name in _MODELS]
    rows = [row(imread(folder / name), part, models) for name, part in _PARTS.items()]
    imsave(path, enlarged(above(rows), _SCALE), check_contrast=False)


def row(
    image: NDArray[np.uint8], part: tuple[slice, slice], models: list[diffir.Model]
) -> Grey:
    """Give a part of a micrograph, noisy and by each model, side by side."""
    plane = image if image.ndim == 2 else image[..., 0]
    grown = tuple(slice(s.start - _AROUND, s.stop + _AROUND) for s in part)
    noisy = plane[grown]
    images = [noisy, *(diffir.restore(noisy, model, axes="YX") for model in models)]
    shown = [one[_AROUND:-_AROUND, _AROUND:-_AROUND] for one in images]
    low, high = np.percentile(shown[0], (0.5, 99.8))
    return beside([grey(one, low, high) for one in shown])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
