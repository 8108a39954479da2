"""How a new CPEN begins beside a trained DIRformer, so that nothing is unlearnt.

A DIRformer that was trained under estimated IPRs cannot restore under those of a new
CPEN. Under the mean IPR of its training images it restores almost as well as under the
own one of an image, so that is what the new CPEN begins with.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from diffir_core.nn import DiffIRS1


@torch.no_grad()
def begin_at(network: DiffIRS1, ipr: Tensor) -> None:
    """Let a new CPEN_S1 give `ipr` (ipr_length,) for every image, until it learns."""
    linear = cast("nn.Linear", network.E.mlp[-2])
    activation = cast("nn.LeakyReLU", network.E.mlp[-1])
    linear.weight.zero_()
    linear.bias.copy_(torch.where(ipr < 0, ipr / activation.negative_slope, ipr))
