"""How unlike training images are to a model: microscopy, and what is none.

    python benchmarks/ipr_distance.py [--model fluo-denoise] [--data DIR] [--limit 6]

The distance of `diffir_core.ipr_distance`, of whole planes: 1 is the rms over training
patches. Images of the test sets were never trained on; photographs, text and patterns
are what a denoiser of fluorescence images should find unlike.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from image_quality.pairs import default_data
from numpy.typing import NDArray
from skimage import data as photographs
from skimage.io import imread

import diffir_core as diffir

Images = Iterator[NDArray[Any]]
SETS = {
    "W2S, widefield cells, noisy": "paired/w2s/noisy_avg1/*.tif",
    "FMD, confocal, noisy": "paired/fmd_testmix/raw/*.png",
    "BBBC039, nuclei, clean": "clean/bbbc039/*.tif",
    "16-bit frames, noisy": "clean/noisy_only/*.tif",
    "SEM of myelin": "clean/axondeepseg_sem/*.png",
}


def of_set(folder: Path, pattern: str, limit: int) -> Images:
    """Yield evenly spread images of a set, the first plane of stacks."""
    paths = sorted(folder.glob(pattern))
    for path in paths[:: max(1, len(paths) // limit)][:limit]:
        values = imread(path)
        if values.shape[-1] not in (3, 4):
            yield values.reshape(-1, *values.shape[-2:])[0][:1024, :1024]


def others() -> dict[str, NDArray[Any]]:
    """Give images that are no microscopy."""
    generator, grid = np.random.default_rng(0), np.indices((256, 256)).sum(0)
    return {
        "photograph": photographs.camera(),
        "page of text": photographs.page(),
        "stripes": ((grid % 16 < 8) * 255).astype(np.uint8),
        "empty field, 50 photons": generator.poisson(50, (256, 256)).astype(np.uint16),
        "uniform noise": generator.integers(0, 65535, (256, 256)).astype(np.uint16),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--limit", type=int, default=6)
    a = parser.parse_args()
    model = diffir.load_model(a.model)
    sets = {name: list(of_set(a.data, p, a.limit)) for name, p in SETS.items()}
    sets |= {name: [image] for name, image in others().items()}
    print("| images | distance, mean | least | most |\n|---|---|---|---|")
    for name, images in sets.items():
        iprs = (diffir.extract_ipr(image, model, axes="YX") for image in images)
        found = [diffir.ipr_distance(ipr, model) for ipr in iprs]
        if found:
            mean, least, most = np.mean(found), min(found), max(found)
            print(f"| {name} ({len(found)}) | {mean:.2f} | {least:.2f} | {most:.2f} |")
        else:
            print(f"| {name}: not there | - | - | - |")


if __name__ == "__main__":
    main()
