"""The second-order degradation of Real-ESRGAN, which DiffIR's RealSR is trained with.

Wang et al., "Real-ESRGAN: Training real-world blind super-resolution with pure
synthetic data", ICCVW 2021 (arXiv 2107.10833), section 3:

    blur - resize - noise - JPEG            first pass
    blur - resize - noise                   second pass, then either of
       resize to the final size - sinc - JPEG
       JPEG - resize to the final size - sinc
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import ndimage

from diffir_core._base import FrozenConfig
from diffir_training.degradations.base import (
    DegradationBase,
    Degraded,
    Image,
    ThreeWeights,
    draw_count,
)
from diffir_training.degradations.compression import (
    QualityRange,
    from_8_bit,
    jpeg,
    to_8_bit,
)
from diffir_training.degradations.kernels import KernelRanges, draw_kernel, draw_sinc
from diffir_training.degradations.optics import convolve_mirrored
from diffir_training.degradations.resizing import (
    FactorRange,
    draw_factor,
    resize_randomly,
    scaled_size,
    smaller_size,
)
from diffir_training.degradations.rgb_noise import RgbNoise


class DegradationPass(FrozenConfig):
    """One pass of blur, resizing, noise and compression; by default the first."""

    blur_probability: float = Field(1.0, ge=0, le=1)
    kernels: KernelRanges = KernelRanges()
    resize_weights: ThreeWeights = (0.2, 0.7, 0.1)
    """Probabilities of enlarging, shrinking, and keeping the size."""
    resize_range: FactorRange = (0.15, 1.5)
    """Smallest and largest factor of size."""
    noise: RgbNoise = RgbNoise()
    jpeg_quality: QualityRange = (30, 95)

    def spoil(
        self, image: Image, size: tuple[int, int], generator: np.random.Generator
    ) -> Image:
        """Blur, resize to about `size` times a factor, add noise: all but the JPEG."""
        if generator.random() < self.blur_probability:
            kernel = draw_kernel(self.kernels, generator)
            image = convolve_mirrored(image, kernel, "reflect")
        factor = draw_factor(self.resize_weights, self.resize_range, generator)
        image = resize_randomly(image, scaled_size(size, factor), generator)
        return self.noise.add(image, generator)

    def compress(self, image: Image, generator: np.random.Generator) -> Image:
        """Pass the image through JPEG."""
        return jpeg(image, draw_count(self.jpeg_quality, generator))


_SECOND = DegradationPass(
    blur_probability=0.8,
    kernels=KernelRanges(sigma=(0.2, 1.5)),
    resize_weights=(0.3, 0.4, 0.3),
    resize_range=(0.3, 1.2),
    noise=RgbNoise(gaussian_sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5)),
)


class RealEsrgan(DegradationBase):
    """Two passes of blur, resizing, noise and JPEG; images are RGB or gray in [0, 1].

    The sizes must be multiples of the scale. `noisy` is `scale` times smaller than it
    was and has levels of 8 bits. JPEG is that of libjpeg at a whole quality factor; the
    original uses a differentiable approximation of it.
    """

    kind: Literal["real_esrgan"] = "real_esrgan"
    scale: Literal[1, 2, 4] = 4
    """Pixels of the target along each side of a pixel of `noisy`."""
    first: DegradationPass = DegradationPass()
    second: DegradationPass = _SECOND
    """Its factors of size refer to the final size."""
    final_sinc_probability: float = Field(0.8, ge=0, le=1)
    sharpen_target: bool = False
    """Whether both images start from the sharpened target, as in V2 of RealSR."""

    @property
    def shrinking(self) -> int:
        """How many times lower and narrower `noisy` becomes."""
        return self.scale

    def degrade(self, pair: Degraded, generator: np.random.Generator) -> Degraded:
        """Spoil `noisy`; the target changes only if it is to be sharpened."""
        image, clean = pair.noisy, pair.clean
        if self.sharpen_target:
            image, clean = sharpened(image), sharpened(clean)
        size = smaller_size(image, self.scale)
        image = self.first.spoil(image, image.shape[1:], generator)
        image = self.first.compress(image, generator)
        image = self.second.spoil(image, size, generator)
        image = self._finish(image, size, generator)
        return Degraded(from_8_bit(to_8_bit(image)), clean, self._real(pair))

    def _real(self, pair: Degraded) -> Image | None:
        """Give what no step has sharpened, if it is not the target."""
        if pair.real is None and self.sharpen_target:
            return pair.clean
        return pair.real

    def _finish(
        self, image: Image, size: tuple[int, int], generator: np.random.Generator
    ) -> Image:
        if generator.random() < 0.5:
            image = self._to_final_size(image, size, generator)
            return self.second.compress(image, generator)
        image = self.second.compress(image, generator)
        return self._to_final_size(image, size, generator)

    def _to_final_size(
        self, image: Image, size: tuple[int, int], generator: np.random.Generator
    ) -> Image:
        image = resize_randomly(image, size, generator)
        if generator.random() < self.final_sinc_probability:
            kernel = draw_sinc(self.second.kernels.sizes, generator)
            image = convolve_mirrored(image, kernel, "reflect")
        return image


def sharpened(image: Image) -> Image:
    """Unsharp mask of Real-ESRGAN, (c, y, x) in [0, 1]: edges only, no halo of noise.

    Half of the detail above a Gaussian of 8 pixels is added where that detail is more
    than 10 levels of 8 bits; the border between both regions is blurred likewise.
    """
    detail = image - _soft(image)
    region = _soft((np.abs(detail) > 10 / 255).astype(np.float32))
    sharp = np.clip(image + 0.5 * detail, 0, 1)
    return np.asarray(region * sharp + (1 - region) * image, dtype=np.float32)


def _soft(image: Image) -> Image:
    # A window of 51 pixels, whose Gaussian is 8 wide by OpenCV's rule for windows.
    blurred = ndimage.gaussian_filter(
        image, (0, 8, 8), mode="mirror", radius=(0, 25, 25)
    )
    return np.asarray(blurred, dtype=np.float32)
