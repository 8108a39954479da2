"""What giving fine structure back gains and costs, by its balance.

    python benchmarks/fine_structure.py [--model fluo-denoise] [--data DIR]

Clean images of the training set, in pixels of one to four of theirs, seen by simulated
cameras of 10 to 6000 photons at the bright end; so the balance can be chosen without a
look at the test images. It prints, over all of them, the mean change of the PSNR, that
of the image at 5 %, and how many images are below their input.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from diffir_training.degradations import CameraNoise, draw_camera
from image_quality.pairs import default_data
from image_quality.simulated_noise import binned
from numpy.typing import NDArray
from skimage.io import imread

import diffir_core as diffir
from diffir_core.engine.fine_structure import BALANCE, give_back_fine_structure
from diffir_core.intensity import fit_mapping

Image = NDArray[np.float32]
_FILES = (
    ("bbbc039/IXMtest_A02_s1_.tif", ()),
    ("bbbc039/IXMtest_D20_s9_.tif", ()),
    ("neubias/xy_16bit__tubulin.tif", ()),
    ("neubias/xy_16bit__bacteria_cords_thin.tif", ()),
    ("neubias/xy_16bit__rat_hippocampal_neuron.tif", ()),
    ("neubias/xyc_16bit__cell_dna_mts_actin.tif", (..., 1)),
    ("neubias/xyc_16bit__nuclei_tubulin.tif", (1,)),
    ("neubias/xyc_8bit__dapi_tublin.tif", (1,)),
    ("neubias/xy_12bit__saturated_plant.tif", ()),
    ("neubias/xy_16bit_calibrated__nuclei_various_shapes.tif", ()),
    ("morpholibj/e4a1.tif", ()),
    ("morpholibj/m02g_crop.tif", ()),
)
_SHRINKING, _PHOTONS = (1, 2, 3, 4), (10.0, 60.0, 300.0, 1500.0, 6000.0)
_LEAST_SIDE, _SIDE = 80, 224
_BALANCES = (0.1, 0.2, BALANCE, 0.4, 0.5, 1.0)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--data", type=Path, default=default_data().parent / "train")
    options = parser.parse_args()
    model, gains = diffir.load_model(options.model), []
    for noisy, expected in exposures(options.data / "clean"):
        gains.append(gains_db(noisy, expected, model))
    found = np.array(gains)
    before = found[:, 0]
    print(f"{len(found)} images; below the input without: {(before < 0).sum()}")
    print("| balance | mean, dB | at 5 %, dB | below the input |\n|---|---|---|---|")
    for balance, after in zip(_BALANCES, found[:, 1:].T, strict=True):
        change = after - before
        print(
            f"| {balance:g} | {change.mean():+.3f} | {np.percentile(change, 5):+.3f} "
            f"| {(after < 0).sum()} |"
        )


def exposures(folder: Path) -> Iterator[tuple[Image, Image]]:
    """Yield noisy and expected counts."""
    rng = np.random.default_rng(5)
    for name, part in _FILES:
        plane = np.squeeze(imread(folder / name))[part].astype(np.float64)
        for factor in _SHRINKING:
            clean = _stretched(binned(plane, factor))[:_SIDE, :_SIDE]
            for photons in _PHOTONS if min(clean.shape) >= _LEAST_SIDE else ():
                camera = draw_camera(
                    CameraNoise(
                        photons=(0.7 * photons, 1.4 * photons), read_noise=(0.0, 3.0)
                    ),
                    rng,
                )
                yield camera.expose(clean, rng), camera.expected(clean)


def gains_db(noisy: Image, expected: Image, model: diffir.Model) -> list[float]:
    """Give the gain over the input: without, and with each balance."""
    options = diffir.RestoreOptions(keep_fine_structure=False)
    mapping = fit_mapping(noisy)
    restored = diffir.restore(noisy, model, axes="YX", options=options)
    raw, kept = (mapping.to_model(image)[None] for image in (noisy, restored))
    truth, results = mapping.to_model(expected)[None], [kept]
    for balance in _BALANCES:
        results.append(kept.copy())
        give_back_fine_structure(lambda rows: raw[:, rows], results[-1], balance)
    error = np.mean((raw - truth) ** 2)
    return [
        float(10 * np.log10(error / np.mean((image - truth) ** 2))) for image in results
    ]


def _stretched(plane: NDArray[np.float64]) -> Image:
    low, high = np.percentile(plane, (0.1, 99.8))
    return np.clip((plane - low) / (high - low), 0, None).astype(np.float32)


if __name__ == "__main__":
    main()
