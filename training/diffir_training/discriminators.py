"""The two discriminators: one logit a pixel, and one a patch.

Attributes bear the names of the official weights files (`conv0` .. `conv9` with
`weight_orig`, `weight_u` and `weight_v`; `model0` .. `model5`).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from diffir_core.errors import InputError

_SLOPE = 0.2
_MAX_PATCH_FEATURES = 512


class UNetDiscriminator(nn.Module):
    """A U-Net that judges every pixel (Real-ESRGAN, section 3.3).

    Its inner convolutions are spectrally normalised: in training mode, every pass
    takes one step of the power iteration. The paths meet by addition.

    Parameters
    ----------
    in_channels
        3 for RGB, 1 for grey images.
    features
        Channels at full size; they double with each halving of the image.
    """

    def __init__(self, in_channels: int = 3, features: int = 64) -> None:
        super().__init__()
        self.in_channels = in_channels
        n = features
        self.conv0 = nn.Conv2d(in_channels, n, 3, padding=1)
        self.conv1 = _down(n, 2 * n)
        self.conv2 = _down(2 * n, 4 * n)
        self.conv3 = _down(4 * n, 8 * n)
        self.conv4 = _same(8 * n, 4 * n)
        self.conv5 = _same(4 * n, 2 * n)
        self.conv6 = _same(2 * n, n)
        self.conv7 = _same(n, n)
        self.conv8 = _same(n, n)
        self.conv9 = nn.Conv2d(n, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Give logits (b, 1, h, w) of `image` (b, c, h, w); above 0 means real.

        Height and width must be multiples of 8, or `InputError` is raised.
        """
        self._check(image)
        full = _leaky(self.conv0(image))
        half = _leaky(self.conv1(full))
        quarter = _leaky(self.conv2(half))
        eighth = _leaky(self.conv3(quarter))
        x = _leaky(self.conv4(_doubled(eighth))) + quarter
        x = _leaky(self.conv5(_doubled(x))) + half
        x = _leaky(self.conv6(_doubled(x))) + full
        x = _leaky(self.conv8(_leaky(self.conv7(x))))
        return self.conv9(x)  # type: ignore[no-any-return]

    def _check(self, image: Tensor) -> None:
        channels, height, width = image.shape[-3:]
        if channels != self.in_channels or height % 8 or width % 8:
            raise InputError(
                f"The discriminator takes {self.in_channels} channels and sizes that "
                f"are multiples of 8, not {tuple(image.shape)}; choose another patch "
                "size or discriminator."
            )


class PatchDiscriminator(nn.Module):
    """An N-layer PatchGAN that also gives its features (pix2pixHD, section 3.2).

    All convolutions are 4 x 4; the first `layers` halve the image, two more do not.
    """

    def __init__(
        self, in_channels: int = 3, features: int = 64, layers: int = 4
    ) -> None:
        super().__init__()
        widths = [min(features << i, _MAX_PATCH_FEATURES) for i in range(layers + 1)]
        first = nn.Sequential(
            _patch_conv(in_channels, features, 2), nn.LeakyReLU(_SLOPE)
        )
        between = [
            _patch_stage(inputs, outputs, 2 if i + 2 < len(widths) else 1)
            for i, (inputs, outputs) in enumerate(pairwise(widths))
        ]
        last = nn.Sequential(_patch_conv(widths[-1], 1, 1))
        for i, stage in enumerate([first, *between, last]):
            self.add_module(f"model{i}", stage)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge `image` (b, c, h, w): logits (b, 1, h', w') and all features before.

        h' is about h / 2^layers.
        """
        features, x = [], image
        for stage in self.children():
            x = stage(x)
            features.append(x)
        return x, features[:-1]


def _down(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return spectral_norm(conv)


def _same(inputs: int, outputs: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))


def _patch_conv(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2)


def _patch_stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        _patch_conv(inputs, outputs, stride),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(_SLOPE),
    )


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
