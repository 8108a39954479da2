"""The dense convolutions around and between the levels, folded.

They do not depend on the IPR. Where a linear layer follows another with nothing but a
reordering of pixels between, both become one:

- enlarging and the 1x1 convolution that merges a skip: the part of the latter that sees
  the enlarged features folds into the former;
- the tail of super-resolution, three 3x3 convolutions with two pixel shuffles between
  and no activation: one 5x5 convolution to the 4 x 4 pixels of the result, with twenty
  times fewer operations. Near the border of the plane, where each of the three sees
  zeros beyond it, the tail itself is run. Tails of other sizes are folded alike.

Pixel shuffles take their channels as (dy dx c) here, so that c stays contiguous.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from diffir_core.nn import DIRformer
from diffir_core.nn.dirformer import EvenPixels

_IMPULSES = 8


@dataclass(frozen=True, slots=True)
class Kernel:
    """A convolution: odd side k, stride 1, zeros beyond the border."""

    weight: Tensor
    """(n, c, k, k) float32."""
    bias: Tensor | None = None

    @property
    def reach(self) -> int:
        """Pixels seen to each side."""
        return self.weight.shape[-1] // 2


class Convolution(Protocol):
    """A kernel made ready to run."""

    reach: int

    def __call__(self, tile: Tensor) -> Tensor:
        """Give (rows, columns, n) of a tile (rows + 2 reach, columns + 2 reach, c)."""


class TorchConvolution:
    """A convolution by PyTorch."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self.reach = kernel, kernel.reach

    def __call__(self, tile: Tensor) -> Tensor:
        """See `Convolution`."""
        weight, bias = self._kernel.weight, self._kernel.bias
        image = tile.permute(2, 0, 1)[None]
        if image.device.type == "cpu":
            # By name: with one thread, the usual dispatch may choose a slower one.
            convolve: Callable[..., Tensor] = torch.mkldnn_convolution
            out = convolve(image, weight, bias, (0, 0), (1, 1), (1, 1), 1)
        else:
            out = F.conv2d(image, weight, bias)
        return out[0].permute(1, 2, 0)


@dataclass(frozen=True, slots=True)
class Merge:
    """Enlarge by two, put the skip beside, reduce: the sum of both."""

    enlarge: Convolution
    skip: Convolution


@dataclass(frozen=True, slots=True)
class DenseLayers:
    """All of a DIRformer but its transformer blocks."""

    network: DIRformer
    embed: Convolution
    down: tuple[Convolution, Convolution, Convolution]
    merge: tuple[Merge, Merge]
    """Into level 3 and into level 2."""
    up: Convolution
    end: Convolution
    enlarging: int
    """Pixels of the result, along an axis, for each of the body."""

    @property
    def border(self) -> int:
        """Width of the frame in which `end` is not exact, in pixels of the body."""
        return self.end.reach if self.enlarging > 1 else 0


def dense_layers(
    network: DIRformer, prepare: Callable[[Kernel], Convolution]
) -> DenseLayers:
    """Fold the dense convolutions of a network; it is read, never changed."""
    net = network

    def convolution(layer: nn.Module) -> Convolution:
        return prepare(_kernel_of(layer))

    def enlarge(layer: nn.Module) -> Convolution:
        return prepare(_shuffled(_kernel_of(layer)))

    def merge(up: nn.Module, reduce: nn.Conv2d) -> Merge:
        half = up.body[0].weight.shape[0] // 4  # type: ignore[index, union-attr]
        first, second = reduce.weight[:, :half], reduce.weight[:, half:]
        return Merge(
            prepare(_projected(_shuffled(_kernel_of(up)), first)),
            prepare(Kernel(second.contiguous(), reduce.bias)),
        )

    def ending() -> Kernel:
        if net.config.architecture != "sr":
            return _kernel_of(net.output)
        return composed_tail(net.tail, net.config.tail_scale)

    return DenseLayers(
        network=net,
        embed=convolution(net.patch_embed),
        down=(
            convolution(net.down1_2),
            convolution(net.down2_3),
            convolution(net.down3_4),
        ),
        merge=(
            merge(net.up4_3, net.reduce_chan_level3),
            merge(net.up3_2, net.reduce_chan_level2),
        ),
        up=enlarge(net.up2_1),
        end=prepare(ending()),
        enlarging=net.config.tail_scale,
    )


def _kernel_of(layer: nn.Module) -> Kernel:
    """Give the kernel of the only convolution in a layer."""
    (found,) = (part for part in layer.modules() if isinstance(part, nn.Conv2d))
    return Kernel(found.weight, found.bias)


def _shuffled(kernel: Kernel) -> Kernel:
    """Reorder the output from PyTorch's pixel shuffle, (c dy dx), to (dy dx c)."""
    order = "(c dy dx) i y x -> (dy dx c) i y x"
    return Kernel(rearrange(kernel.weight, order, dy=2, dx=2).contiguous())


def _projected(kernel: Kernel, matrix: Tensor) -> Kernel:
    """Let a 1x1 convolution `matrix` (m, c, 1, 1) follow on each of (dy dx c)."""
    parts = rearrange(kernel.weight.double(), "(d c) i y x -> d c (i y x)", d=4)
    mapped = matrix[:, :, 0, 0].double() @ parts
    side, channels = kernel.weight.shape[-1], kernel.weight.shape[1]
    weight = rearrange(mapped, "d m (i y x) -> (d m) i y x", i=channels, y=side)
    return Kernel(weight.float().contiguous())


def composed_tail(tail: nn.Module, scale: int) -> Kernel:
    """Give a tail as one kernel, to (dy dx c) of `scale` x `scale` pixels.

    What it does to an impulse in each of its input channels is all there is to know.
    Taken in float64: sums over layers of weights would lose digits.
    """
    device = next(tail.parameters()).device
    exact = copy.deepcopy(tail).cpu().double()
    channels = next(exact.parameters()).shape[1]
    reach = 2 + any(isinstance(layer, EvenPixels) for layer in tail.modules())
    side = 2 * reach + 1
    with torch.inference_mode():
        nothing = next(exact.parameters()).new_zeros(1, channels, side, side)
        centre = slice(reach * scale, (reach + 1) * scale)
        bias = rearrange(exact(nothing)[0, :, centre, centre], "o dy dx -> (dy dx o)")
        for name, parameter in exact.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        impulses = nothing.expand(channels, -1, -1, -1).clone()
        each = torch.arange(channels, device="cpu")
        impulses[each, each, reach, reach] = 1.0
        response = torch.cat([exact(part) for part in torch.split(impulses, _IMPULSES)])
    # A kernel is the response, mirrored: what lies left of it sees it on its right.
    order = "i o (y dy) (x dx) -> (dy dx o) i y x"
    weight = rearrange(response, order, dy=scale, dx=scale).flip(2, 3)
    return Kernel(
        weight.float().contiguous().to(device), bias.float().contiguous().to(device)
    )
