"""Make the bundled sample stacks from redistributable images.

    python tools/make_samples.py [DATA]

DATA is the folder that holds `test/clean`. The pair is a real confocal Z stack as the
reference, and the same stack seen by a simulated dim camera; the second sample is a
real noisy stack as it was acquired, which has no reference.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import tifffile
from diffir_training.degradations import Camera

from diffir_core.samples import sample_path

_CREDIT = "NEUBIAS training resources, CC-BY 4.0, https://neubias.github.io"
_CAMERA = Camera(
    photons=12.0,
    background=0.05,
    read_noise=1.2,
    correlation_pixels=0.0,
    hot_pixels=0,
    gain=40.0,
    offset=200.0,
    full_scale=65535,
)


def main(data: Path) -> None:
    """Write the three files."""
    folder = data / "test" / "clean" / "neubias"
    with tifffile.TiffFile(folder / "xyz_8bit__nuclei_autothresh.tif") as file:
        stack = file.series[0].asarray()[8:24]
        numerator, denominator = file.pages[0].tags["XResolution"].value
        spacing = float(file.imagej_metadata["spacing"])
    clean = (stack / np.percentile(stack, 99.8)).astype(np.float32)
    generator = np.random.default_rng(0)
    pixel_size = {"X": denominator / numerator, "Z": spacing}
    noisy = np.stack([_CAMERA.expose(plane, generator) for plane in clean])
    expected = np.rint(np.stack([_CAMERA.expected(plane) for plane in clean]))
    how = (
        f"simulated camera: {_CAMERA.photons:g} photons at the 99.8th percentile, "
        f"background {_CAMERA.background:g}, read noise {_CAMERA.read_noise:g}, "
        f"gain {_CAMERA.gain:g}, offset {_CAMERA.offset:g}"
    )
    seen = f"Nuclei, real stack seen by a {how}. {_CREDIT}"
    mean = f"Nuclei, noise-free mean of a {how}. {_CREDIT}"
    _write("noisy", noisy, pixel_size, seen)
    _write("reference", expected, pixel_size, mean)
    acquired = tifffile.imread(folder / "xyz_8bit__nucleus.tif")
    _write("acquired", acquired, {}, f"Nucleus, noisy as it was acquired. {_CREDIT}")


def _write(
    name: str, stack: np.ndarray, pixel_size: dict[str, float], description: str
) -> None:
    metadata: dict[str, object] = {
        "axes": "ZYX",
        "Name": name,
        "Description": description,
    }
    if pixel_size:
        for axis, key in (("X", "X"), ("Y", "X"), ("Z", "Z")):
            metadata[f"PhysicalSize{axis}"] = pixel_size[key]
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    dtype = np.uint8 if name == "acquired" else np.uint16
    tifffile.imwrite(
        sample_path(name),  # type: ignore[arg-type]
        stack.astype(dtype),
        ome=True,
        photometric="minisblack",
        compression="zlib",
        metadata=metadata,
    )


if __name__ == "__main__":
    default = os.environ.get("DIFFIR_DATA", "../shared/data")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else default))
