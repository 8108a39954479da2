"""Image quality on real pairs: noisy input, non-local means, and a DiffIR model.

    python benchmarks/quality.py [--model fluo-denoise] [--data DIR] [--json FILE]

Every set is real: single noisy frames against the mean of many frames of the same
field. Frames, references and range are 8 bit, so PSNR and SSIM use a range of 255.

- `w2s`: widefield, reference rescaled with the fitted gain and offset of its table.
- `fmd mixed`: confocal, five configurations of four frames.
- `fmd fields`: confocal, five other fields.
- `fmd repeats`: confocal nuclei, 25 frames of one field.

Non-local means is scikit-image's, with the noise estimated from the image: once with
its recommended strength (h = 0.8 sigma), once with the strength that is best for each
image, chosen by looking at the reference, which no user could do.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread
from skimage.restoration import denoise_nl_means

import diffir_core as diffir
from diffir_core import metrics

_RANGE = 255.0
_STRENGTHS = (0.5, 0.65, 0.8, 1.0, 1.25)
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])

Image = NDArray[np.generic]
Method = Callable[[Image, Image], Image]


@dataclass(frozen=True, slots=True)
class Pair:
    """A noisy frame and the reference of the same field, on the same scale."""

    name: str
    noisy: Image
    reference: Image


def w2s(data: Path) -> Iterator[Pair]:
    """Yield the test pairs of W2S."""
    folder = data / "paired" / "w2s"
    with (folder / "w2s_pairs.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = f"w2s_{int(row['fov']):03d}_c{row['channel']}.tif"
            if not (folder / "gt_avg400" / name).exists():
                continue
            reference = imread(folder / "gt_avg400" / name).astype(np.float64)
            scaled = reference * float(row["scale_gt_to_noisy"])
            scaled += float(row["offset_gt_to_noisy"])
            yield Pair(name, imread(folder / "noisy_avg1" / name), scaled)


def fmd_mixed(data: Path) -> Iterator[Pair]:
    """Yield the confocal frames of FMD's mixed test set."""
    folder = data / "paired" / "fmd_testmix"
    for path in sorted((folder / "raw").glob("*.png")):
        reference = imread(folder / "gt" / f"{path.stem.rpartition('_')[0]}.png")
        yield Pair(path.name, imread(path), reference)


def fmd_fields(data: Path) -> Iterator[Pair]:
    """Yield the other confocal fields of FMD."""
    folder = data / "paired" / "fmd_noise2fast"
    for path in sorted((folder / "raw").glob("*.tif")):
        yield Pair(path.name, imread(path), imread(folder / "gt" / path.name))


def fmd_repeats(data: Path) -> Iterator[Pair]:
    """Yield the repeated frames of one confocal field of FMD."""
    folder = data / "repeated" / "fmd_confocal_bpae_b"
    for reference in sorted((folder / "gt_avg50").glob("*.png")):
        for path in sorted((folder / "raw" / reference.stem).glob("*.png")):
            yield Pair(path.name, imread(path), imread(reference))


SETS = {
    "w2s": w2s,
    "fmd mixed": fmd_mixed,
    "fmd fields": fmd_fields,
    "fmd repeats": fmd_repeats,
}


def estimate_noise(image: Image) -> float:
    """Estimate white noise's standard deviation (Immerkaer, CVIU 1996)."""
    response = ndimage.convolve(image.astype(np.float64), _LAPLACIAN)
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(response).mean())


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


def best_non_local_means(noisy: Image, reference: Image) -> Image:
    """Denoise with the strength that comes nearest to the reference."""
    results = [non_local_means(noisy, strength) for strength in _STRENGTHS]
    return max(results, key=lambda image: metrics.psnr(image, reference, _RANGE))


def methods(model: diffir.Model) -> dict[str, Method]:
    """Give what is compared, by name; the reference is there for the oracle alone."""
    return {
        "noisy": lambda noisy, _: noisy,
        "NLM": lambda noisy, _: non_local_means(noisy, 0.8),
        "NLM, best h": best_non_local_means,
        model.name: lambda noisy, _: diffir.restore(noisy, model, axes="YX"),
    }


def evaluate(pairs: list[Pair], compared: dict[str, Method]) -> list[dict[str, float]]:
    """Give each pair's PSNR in dB and SSIM by method, as ``{"NLM psnr": ...}``."""
    rows = []
    for pair in pairs:
        row: dict[str, float] = {}
        for name, method in compared.items():
            image = method(pair.noisy, pair.reference).astype(np.float64)
            row[f"{name} psnr"] = metrics.psnr(image, pair.reference, _RANGE)
            row[f"{name} ssim"] = metrics.ssim(image, pair.reference, _RANGE)
        rows.append(row)
    return rows


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--data", type=Path, default=_default_data())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--limit", type=int, help="pairs of a set, at most")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"No images at {options.data}; pass --data or set DIFFIR_DATA.")
    compared = methods(diffir.load_model(options.model))
    results = {
        name: evaluate(list(read(options.data))[: options.limit], compared)
        for name, read in SETS.items()
    }
    _print_table(results, list(compared))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _default_data() -> Path:
    root = Path(os.environ.get("DIFFIR_DATA", "../shared/data"))
    return root / "test"


def _print_table(results: dict[str, list[dict[str, float]]], names: list[str]) -> None:
    print("| set | pairs | " + " | ".join(names) + " | worst gain over noisy |")
    print("|---" * (len(names) + 3) + "|")
    for title, rows in results.items():
        cells = []
        for name in names:
            psnr = np.mean([row[f"{name} psnr"] for row in rows])
            ssim = np.mean([row[f"{name} ssim"] for row in rows])
            cells.append(f"{psnr:.2f} dB / {ssim:.3f}")
        worst = min(row[f"{names[-1]} psnr"] - row["noisy psnr"] for row in rows)
        print(
            f"| {title} | {len(rows)} | " + " | ".join(cells) + f" | {worst:+.2f} dB |"
        )


if __name__ == "__main__":
    main()
