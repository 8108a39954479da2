"""Clean images, blurred, binned and exposed as in training, at a few known levels.

The images are those of `simulated variety` of `sets.py`. Blur, binning and camera are
the classes that training draws from, each here with fixed values: a 16-bit camera with
a tenth of background light, one photon of read noise and no faulty pixels. In a scan
that is faster than its detector, neighbours share their noise. The noise is seeded by
the name of the image and the level.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from diffir_training.degradations import Binning, Camera, DiffractionBlur, GaussianBlur
from diffir_training.degradations.diffraction import diffraction_psf
from diffir_training.degradations.scanning import Scanner
from numpy.typing import NDArray
from scipy import ndimage

from image_quality.pairs import Image, spread
from image_quality.simulated_noise import stretched
from image_quality.simulated_sets import SCAN_BLUR_PX, clean_variety

Task = Literal["deblur", "sr"]
Float64 = NDArray[np.float64]

_BACKGROUND = 0.1
_READ_NOISE_PHOTONS = 1.0
_FULL_SCALE = 2**16 - 1
_EXPOSURE = 0.25
"""Of the full scale, at 1: single pixels are up to three times as bright."""
_OFFSET = 100.0


@dataclass(frozen=True, slots=True)
class GaussianPsf:
    """A PSF that is a Gaussian."""

    sigma: float
    """Standard deviation, in pixels of the clean image."""
    kind = "Gaussian"

    @property
    def title(self) -> str:
        """What stands above a column."""
        return f"{self.sigma:g} px"

    @property
    def blur(self) -> GaussianBlur:
        """The blur that training draws, of this width."""
        return GaussianBlur(sigma=(self.sigma, self.sigma))

    @property
    def values(self) -> Float64:
        """The PSF (y, x), its sum 1."""
        radius = int(4 * self.sigma + 0.5)
        point = np.zeros((2 * radius + 1, 2 * radius + 1))
        point[radius, radius] = 1
        return np.asarray(ndimage.gaussian_filter(point, self.sigma))


@dataclass(frozen=True, slots=True)
class ObjectivePsf:
    """The PSF of an objective."""

    airy_radius: float
    """Of the first dark ring in focus, in pixels of the clean image."""
    defocus_waves: float = 0.0
    kind = "objective"

    @property
    def title(self) -> str:
        """What stands above a column."""
        off = f", {self.defocus_waves:g} waves off" if self.defocus_waves else ""
        return f"Airy {self.airy_radius:g} px{off}"

    @property
    def blur(self) -> DiffractionBlur:
        """The blur that training draws, with these values."""
        return DiffractionBlur(
            airy_radius_pixels=(self.airy_radius, self.airy_radius),
            defocus_waves=(self.defocus_waves, self.defocus_waves),
        )

    @property
    def values(self) -> Float64:
        """The PSF (y, x), its sum 1."""
        psf = diffraction_psf(self.airy_radius, self.defocus_waves, 0.0)
        return psf.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Level:
    """How much an image is spoiled."""

    psf: GaussianPsf | ObjectivePsf
    photons: float
    """At the bright end of the image, in a pixel of the camera."""
    binning: int = 1
    scan: bool = False
    """Whether neighbours share their noise, as in `simulated resampled`."""

    @property
    def title(self) -> str:
        """What stands above a column."""
        return f"{self.psf.title}, {self.exposure}"

    @property
    def exposure(self) -> str:
        """What the noise is."""
        return f"{self.photons:g} photons" + self.scan * ", scan"

    @property
    def setting(self) -> str:
        """What an oracle is told to find its best setting for."""
        return f"{self.psf.kind}, {self.exposure}"

    def expose(self, light: Image, rng: np.random.Generator) -> Image:
        """Give the counts (y, x), uint16, of light that is 1 at its bright end."""
        if self.scan:
            scanner = Scanner(self.camera, SCAN_BLUR_PX, line_noise=0.0)
            counts = scanner.scan(light, rng)
        else:
            counts = self.camera.expose(light, rng)
        return counts.astype(np.uint16)

    @property
    def camera(self) -> Camera:
        """The camera that sees the image."""
        return Camera(
            photons=self.photons,
            background=_BACKGROUND,
            read_noise=_READ_NOISE_PHOTONS,
            correlation_pixels=0.0,
            hot_pixels=0,
            gain=_EXPOSURE * _FULL_SCALE / self.photons,
            offset=_OFFSET,
            full_scale=_FULL_SCALE,
        )


LEVELS: dict[Task, tuple[Level, ...]] = {
    "deblur": (
        *(
            Level(GaussianPsf(sigma), light)
            for light in (30.0, 300.0)
            for sigma in (1.0, 1.5, 2.0)
        ),
        *(Level(GaussianPsf(1.5), light, scan=True) for light in (30.0, 300.0)),
        *(
            Level(ObjectivePsf(*values), light)
            for light in (30.0, 300.0)
            for values in ((4.0,), (3.0, 0.4))
        ),
    ),
    "sr": tuple(
        Level(GaussianPsf(0.8), light, binning=2, scan=scan)
        for scan in (False, True)
        for light in (30.0, 300.0)
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Blurred:
    """A degraded image and the clean one."""

    name: str
    level: Level
    counts: Image
    """Of the camera, uint16; smaller than `clean` where it is binned."""
    clean: Float64
    """0 at the background, 1 at the bright end."""

    @property
    def units(self) -> Float64:
        """The degraded image in the units of the clean one."""
        return self.in_units(self.counts)

    def in_units(self, counts: Image) -> Float64:
        """Give counts, of the camera or restored, in the units of the clean image."""
        camera = self.level.camera
        photons = (counts.astype(np.float64) - camera.offset) / camera.gain
        return photons / camera.photons - camera.background


def blurred_images(data: Path, task: Task, limit: int | None) -> Iterator[Blurred]:
    """Yield every image at every level; the limit is on the images."""
    for name, clean in spread(clean_variety(data), limit):
        for level in LEVELS[task]:
            yield degraded(name, clean, level)


def degraded(name: str, clean: Image, level: Level) -> Blurred:
    """Stretch a clean image to 0 .. 1, and spoil it as training does."""
    rows, columns = (size // level.binning * level.binning for size in clean.shape)
    sharp = stretched(clean[:rows, :columns])
    rng = np.random.default_rng(zlib.crc32(f"{name}/{level.title}".encode()))
    light = level.psf.blur.apply(sharp[None].astype(np.float32), rng).noisy
    if level.binning == 2:
        light = Binning(factor=2).apply(light, rng).noisy
    return Blurred(name, level, level.expose(light[0], rng), sharp)
