"""The camera of the Train widget: three numbers, what they train, how they look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from diffir_training.degradations import Camera

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


def degraded_picture(
    clean: NDArray[np.float32], choice: CameraChoice
) -> NDArray[np.uint8]:
    """Give a clean crop as the camera sees it, (h, w): 255 lies above clean = 1."""
    camera = choice.camera()
    counts = camera.expose(clean, np.random.default_rng(0))
    white = camera.offset + 1.2 * _EXPOSURE * _FULL_SCALE
    picture: NDArray[np.float32] = np.clip(counts / white * 255, 0, 255)
    return picture.astype(np.uint8)
