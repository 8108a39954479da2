"""The camera of the Train widget: three numbers, what they train, how they look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.errors import InputError
from diffir_core.intensity import fit_mapping
from napari_diffir._run_folder import LayerImage, first_image
from napari_diffir._scripting import Failure

if TYPE_CHECKING:
    from diffir_training.degradations import Camera

_CROP_PIXELS = 256
_FULL_SCALE = 4095
_EXPOSURE = 0.6
_BACKGROUND = 0.1


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """The camera whose noise a model shall learn to remove."""

    photons: float = 50.0
    """At the bright end (99.8th percentile) of the image."""
    read_noise: float = 1.5
    """Standard deviation, in photons."""
    offset: float = 0.05
    """Black level, as a fraction of the camera's full scale."""

    def ranges(self) -> dict[str, Any]:
        """Give the `CameraNoise` around this camera.

        A network trained for one exact camera fails on its neighbours: photons vary by
        a factor of three both ways, read noise from none to twice its value, the
        offset by a half.
        """
        return {
            "kind": "camera",
            "photons": (self.photons / 3, self.photons * 3),
            "read_noise": (0.0, 2 * self.read_noise),
            "black_level": (0.5 * self.offset, 1.5 * self.offset),
        }

    def camera(self) -> Camera:
        """Give this very camera with 12 bits, for a look at its noise."""
        from diffir_training.degradations import Camera

        return Camera(
            photons=self.photons,
            background=_BACKGROUND,
            read_noise=self.read_noise,
            correlation_pixels=0.0,
            hot_pixels=0,
            gain=_EXPOSURE * _FULL_SCALE / (self.photons * (1 + _BACKGROUND)),
            offset=self.offset * _FULL_SCALE,
            full_scale=_FULL_SCALE,
        )


def clean_crop(image: LayerImage) -> NDArray[np.float32]:
    """Give the centre of the middle plane, (<= 256, <= 256), in model units."""
    selection = tuple(
        _centre(size) if axis in "YX" else size // 2
        for axis, size in zip(image.axes, image.data.shape, strict=True)
    )
    plane = np.asarray(image.data[selection])
    if image.axes.index("X") < image.axes.index("Y"):
        plane = plane.T
    if not np.isfinite(plane).all():
        raise InputError("The image holds NaN or infinity; training needs numbers.")
    return np.clip(fit_mapping(plane).to_model(plane), 0.0, 3.0)


def _centre(size: int) -> slice:
    first = max(0, (size - _CROP_PIXELS) // 2)
    return slice(first, first + _CROP_PIXELS)


def degraded_picture(
    clean: NDArray[np.float32], choice: CameraChoice
) -> NDArray[np.uint8]:
    """Give a clean crop as the camera sees it, (h, w): 255 lies above clean = 1."""
    camera = choice.camera()
    counts = camera.expose(clean, np.random.default_rng(0))
    white = camera.offset + 1.2 * _EXPOSURE * _FULL_SCALE
    picture: NDArray[np.float32] = np.clip(counts / white * 255, 0, 255)
    return picture.astype(np.uint8)


def load_crop(source: LayerImage | Path) -> NDArray[np.float32] | Failure:
    """Give a clean crop of a layer's array, or of the first file in a folder.

    For a worker: reading may take a while, and an error is returned, not raised.
    """
    try:
        return clean_crop(first_image(source) if isinstance(source, Path) else source)
    except Exception as error:
        return Failure(error)
