"""TorchScript of a stage-2 network: one tensor in, one out, no code of ours needed."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from diffir_core.errors import CheckpointError
from diffir_core.nn import DiffIRS2
from diffir_core.nn.diffusion import standard_normal

SEED = 0
"""Of the start noise, which is part of the weights."""
_TOLERANCE = 1e-4


class ExportedNetwork(nn.Module):
    """Stage 2 under a fixed start noise, in operations that do not name a device.

    `DiffIRS2.forward` brings its noise to the device of the image, and a trace would
    write down which one that was. Here it is a buffer, which moves with the weights.
    """

    noise: Tensor

    def __init__(self, network: DiffIRS2) -> None:
        super().__init__()
        self.network = network
        generator = torch.Generator().manual_seed(SEED)
        noise = standard_normal((1, network.config.ipr_length), generator)
        self.register_buffer("noise", noise)
        self.eval()

    def forward(self, lq: Tensor) -> Tensor:
        """Restore `lq` (b, c, h, w) in model units; h, w fit `config.size_multiple`.

        Planes of a batch share their start noise, so that each is restored as alone.
        """
        condition = self.network.extract_condition(lq)
        start = self.noise.expand(lq.shape[0], -1)
        ipr = self.network.reverse_chain(condition, start)[-1]
        return self.network.G(lq, ipr)  # type: ignore[no-any-return]


def write_weights(path: Path, network: DiffIRS2, example: Tensor) -> Tensor:
    """Trace a network into a file; give what the trace makes of an example.

    Parameters
    ----------
    example
        (b, c, h, w) in model units. It is not of the size that is traced, so that a
        trace which holds for one size alone is found out.

    Raises
    ------
    CheckpointError
        If the trace and the network differ by more than 1e-4 at any pixel.
    """
    size = network.config.size_multiple
    traced_image = example.new_zeros(1, network.config.in_channels, 2 * size, 3 * size)
    exact = torch.autocast("cpu", enabled=False)
    with torch.no_grad(), exact, warnings.catch_warnings():
        # PyTorch has newer formats, which bioimage.io does not take; and the tracer
        # cannot see that the loops do not depend on sizes, which is checked below.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            ExportedNetwork(network), traced_image, check_trace=False
        )
        torch.jit.save(traced, str(path))
        restored: Tensor = traced(example)
        difference = float((restored - network(example)).abs().max())
    if not difference <= _TOLERANCE:
        raise CheckpointError(
            f"The traced network differs from the original by {difference:g}, more "
            f"than {_TOLERANCE:g}; it is not exported."
        )
    return restored
