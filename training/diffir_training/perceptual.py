"""Perceptual losses: distances in the features of networks trained on photographs.

Their weights are files that the user has and points to, in torchvision's layout;
nothing is downloaded. The widths of a network are read off its first convolution.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffir_core.errors import InputError
from diffir_training.foreign_weights import fill, first_width, read_tensors

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # Of ImageNet, RGB.
_VGG19 = (1, 1, 0, 2, 2, 0, 4, 4, 4, 4, 0, 8, 8, 8, 8, 0, 8, 8, 8, 8)
"""Widths of the convolutions, in units of the first; 0 is a pooling."""
_VGG19_WEIGHTS = {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}
"""Of conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4, by their place in the network."""
_RESNET50 = ((3, 1, 1, 1), (4, 2, 1, 1), (6, 1, 1, 2), (3, 1, 2, 4))
"""Of each layer: blocks, stride, dilation of the first block, and of the others."""


class VGGLoss(nn.Module):
    """Weighted L1 distance of VGG19's features before their ReLU (ESRGAN).

    ``sum_l w_l mean |phi_l(restored) - phi_l(target)|`` with w = 0.1, 0.1, 1, 1, 1 for
    conv1_2, conv2_2, conv3_4, conv4_4, conv5_4.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for factor in _VGG19:
            if factor:
                layers += [nn.Conv2d(inputs, factor * width, 3, padding=1), nn.ReLU()]
                inputs = factor * width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the weights of VGG19 (`features.*`); others in the file are ignored."""
        state = read_tensors(Path(path))
        with torch.device("meta"):
            network = cls(first_width(state, "features.0.weight", path))
        return fill(network, state, path)

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """Compare images (b, 1 or 3, h, w), nominally 0 .. 1, of at least 16 x 16."""
        with torch.no_grad():
            goals = self._features(target)
        return torch.stack(
            [
                weight * F.l1_loss(ours, goal)
                for weight, ours, goal in zip(
                    _VGG19_WEIGHTS.values(),
                    self._features(restored),
                    goals,
                    strict=True,
                )
            ]
        ).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        found, x = [], _normalised(image)
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in _VGG19_WEIGHTS:
                found.append(x)
        return found


class ResNetLoss(nn.Module):
    """Squared distance of a dilated ResNet50's features (LaMa, section 2.2).

    ``sum_l mean (phi_l(restored) - phi_l(target))^2`` over the four layers, of which
    the last two dilate by 2 and 4 instead of halving. The stem is torchvision's
    7 x 7 convolution or, if the file has them, the three 3 x 3 ones of the ADE20K
    segmentation network that LaMa uses.
    """

    def __init__(self, width: int = 64, *, deep_stem: bool = False) -> None:
        super().__init__()
        self.deep_stem = deep_stem
        size = 3 if deep_stem else 7
        self.conv1 = nn.Conv2d(3, width, size, 2, size // 2, bias=False)
        self.bn1 = _FrozenNorm(width)
        inputs = width
        if deep_stem:
            self.conv2, self.bn2 = _conv3(width, width), _FrozenNorm(width)
            self.conv3, self.bn3 = _conv3(width, 2 * width), _FrozenNorm(2 * width)
            inputs = 2 * width
        for i, (blocks, stride, first, others) in enumerate(_RESNET50):
            inner = width << i
            layer = nn.Sequential(_Bottleneck(inputs, inner, stride, first))
            for _ in range(blocks - 1):
                layer.append(_Bottleneck(4 * inner, inner, 1, others))
            self.add_module(f"layer{i + 1}", layer)
            inputs = 4 * inner

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the weights of ResNet50 (`conv1` .. `layer4`); `fc` is ignored."""
        state = read_tensors(Path(path))
        width = first_width(state, "conv1.weight", path)
        with torch.device("meta"):
            network = cls(width, deep_stem="conv3.weight" in state)
        return fill(network, state, path)

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """Compare images (b, 1 or 3, h, w), nominally 0 .. 1."""
        with torch.no_grad():
            goals = self._features(target)
        pairs = zip(self._features(restored), goals, strict=True)
        return torch.stack([F.mse_loss(ours, goal) for ours, goal in pairs]).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(_normalised(image))))
        if self.deep_stem:
            x = F.relu(self.bn2(self.conv2(x)))
            x = F.relu(self.bn3(self.conv3(x)))
        found, x = [], F.max_pool2d(x, 3, 2, 1)
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
            found.append(x)
        return found


class _Bottleneck(nn.Module):
    """Three convolutions around a shortcut (He et al., 2016)."""

    def __init__(self, inputs: int, inner: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = _FrozenNorm(inner)
        self.conv2 = _conv3(inner, inner, stride, dilation)
        self.bn2 = _FrozenNorm(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = _FrozenNorm(outputs)
        self.downsample = nn.Sequential()
        if inputs != outputs:
            self.downsample.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.downsample.append(_FrozenNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Transform `x` (b, inputs, h, w) to (b, 4 * inner, h', w')."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class _FrozenNorm(nn.Module):
    """A batch norm that uses its stored statistics in every mode."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "running_var"):
            self.register_buffer(name, torch.ones(channels))
        for name in ("bias", "running_mean"):
            self.register_buffer(name, torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (b, channels, h, w)."""
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(x, mean, variance, self.weight, self.bias)


def _conv3(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)


def _normalised(image: Tensor) -> Tensor:
    channels = image.shape[1]
    if channels not in (1, 3):
        raise InputError(
            f"Perceptual losses take images of 1 or 3 channels, not {channels}; leave "
            "the perceptual term out."
        )
    mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _STD))
    return (image.expand(-1, 3, -1, -1) - mean) / std
