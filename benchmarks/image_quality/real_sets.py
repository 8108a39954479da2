"""Real noisy frames, each with a reference of the same field."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from skimage.io import imread

from image_quality.pairs import Pair


def w2s(data: Path) -> Iterator[Pair]:
    """Yield the test pairs of W2S."""
    folder = data / "paired" / "w2s"
    if not folder.is_dir():
        return
    with (folder / "w2s_pairs.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = f"w2s_{int(row['fov']):03d}_c{row['channel']}.tif"
            if not (folder / "gt_avg400" / name).exists():
                continue
            reference = imread(folder / "gt_avg400" / name).astype(np.float64)
            scaled = reference * float(row["scale_gt_to_noisy"])
            scaled += float(row["offset_gt_to_noisy"])
            noisy = imread(folder / "noisy_avg1" / name)
            yield Pair(name, f"channel {row['channel']}", noisy, scaled)


def fmd_mixed(data: Path) -> Iterator[Pair]:
    """Yield the confocal frames of FMD's mixed test set."""
    folder = data / "paired" / "fmd_testmix"
    for path in sorted((folder / "raw").glob("*.png")):
        group = path.stem.rpartition("_")[0]
        reference = imread(folder / "gt" / f"{group}.png")
        yield Pair(path.name, group, imread(path), reference)


def fmd_fields(data: Path) -> Iterator[Pair]:
    """Yield the other confocal fields of FMD."""
    folder = data / "paired" / "fmd_noise2fast"
    for path in sorted((folder / "raw").glob("*.tif")):
        reference = imread(folder / "gt" / path.name)
        yield Pair(path.name, path.stem, imread(path), reference)


def fmd_repeats(data: Path) -> Iterator[Pair]:
    """Yield the repeated frames of one confocal field of FMD."""
    folder = data / "repeated" / "fmd_confocal_bpae_b"
    for reference in sorted((folder / "gt_avg50").glob("*.png")):
        for path in sorted((folder / "raw" / reference.stem).glob("*.png")):
            yield Pair(path.name, reference.stem, imread(path), imread(reference))
