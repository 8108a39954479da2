"""Draw the picture of drawn structures for the docs.

python tools/picture_drawn.py docs/images/drawn.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from diffir_training.images.configs import Structure
from diffir_training.images.drawing import drawn_image
from numpy.typing import NDArray
from skimage.io import imsave

_SIDE = 256


def main() -> None:
    """Write a row of two images for each structure, side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    rows = [
        np.hstack([_stretched(kind, number) for kind in get_args(Structure)])
        for number in range(2)
    ]
    imsave(options.picture, np.vstack(rows), check_contrast=False)


def _stretched(kind: Structure, number: int) -> NDArray[np.uint8]:
    """Draw one image, its 99.8th percentile white, and cut a square out of it."""
    image = drawn_image(kind, 512, (0, number))[:_SIDE, :_SIDE]
    image = np.clip(image / np.percentile(image, 99.8), 0, 1)
    return np.asarray(255 * image, dtype=np.uint8)


if __name__ == "__main__":
    main()
