"""DiffIR whole: stage 1, which sees the ground truth, and stage 2, which does not.

::

    stage 1:  lq, gt - CPEN_S1 ------------------------- IPR - DIRformer - image
    stage 2:  lq ----- CPEN_S2 - condition
                                 x_T - T x denoiser ---- IPR - DIRformer - image
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffir_core.config import ModelConfig
from diffir_core.errors import InputError
from diffir_core.nn.cpen import CPEN
from diffir_core.nn.denoiser import Denoiser
from diffir_core.nn.diffusion import IPRDiffusion, standard_normal
from diffir_core.nn.dirformer import DIRformer
from diffir_core.nn.padding import pad_to_multiple


class _DiffIR(nn.Module):
    """What both stages share: a DIRformer `G` that restores under a given IPR."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.G = DIRformer(config)

    def restore(self, lq: Tensor, ipr: Tensor) -> Tensor:
        """Restore `lq` (b, in_channels, h, w) of any size under `ipr` (b, ipr_length).

        The image is mirrored at its right and bottom to the network's multiple and
        the result cropped to (b, out_channels, h * scale, w * scale).
        """
        height, width = (size * self.config.scale for size in lq.shape[-2:])
        restored = self.G(pad_to_multiple(lq, self.config), ipr)
        return restored[..., :height, :width]  # type: ignore[no-any-return]

    def _check(self, lq: Tensor) -> None:
        config = self.config
        if lq.ndim != 4 or lq.shape[1] != config.in_channels:
            raise InputError(
                f"The network takes (batch, {config.in_channels}, height, width), "
                f"not {tuple(lq.shape)}."
            )
        if any(size == 0 or size % config.size_multiple for size in lq.shape[-2:]):
            raise InputError(
                f"Height and width must be multiples of {config.size_multiple}, not "
                f"{tuple(lq.shape[-2:])}; use restore(), which pads and crops."
            )


class DiffIRS1(_DiffIR):
    """Stage 1: the IPR is extracted from the degraded image and the ground truth."""

    stage = 1

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.E = CPEN(config, config.cpen_lq_channels + config.cpen_gt_channels)

    def extract_ipr(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Give Z = CPEN_S1(lq, gt), (b, ipr_length); paper eq. 1.

        `gt` is (b, out_channels, h * scale, w * scale) in model units.
        """
        lq_part = F.pixel_unshuffle(lq, self.config.cpen_unshuffle)
        gt_part = F.pixel_unshuffle(gt, self.config.cpen_gt_unshuffle)
        return self.E(torch.cat([lq_part, gt_part], dim=1))  # type: ignore[no-any-return]

    def forward(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Restore `lq` with the help of `gt`."""
        self._check(lq)
        return self.G(lq, self.extract_ipr(lq, gt))  # type: ignore[no-any-return]


class DiffIRS2(_DiffIR):
    """Stage 2: the IPR is estimated by diffusion from the degraded image alone.

    Randomness is the start `noise` x_T (b, ipr_length) alone. Without it, x_T is drawn
    from `generator`, or else from a generator of seed 0: never from a global one.
    """

    stage = 2

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.condition = CPEN(config, config.cpen_lq_channels)
        self.denoise = Denoiser(config)
        self.diffusion = IPRDiffusion(config)

    def extract_condition(self, lq: Tensor) -> Tensor:
        """Give c = CPEN_S2(lq), (b, ipr_length), of an image of any size."""
        padded = pad_to_multiple(lq, self.config)
        return self.condition(F.pixel_unshuffle(padded, self.config.cpen_unshuffle))  # type: ignore[no-any-return]

    def reverse_chain(
        self, condition: Tensor, x_T: Tensor, steps: int | None = None
    ) -> Tensor:
        """Give the IPR after each reverse step from `x_T`: (steps, b, ipr_length)."""

        def estimate_x0(t: int, x_t: Tensor) -> Tensor:
            return self.denoise(condition, t, x_t)  # type: ignore[no-any-return]

        return torch.stack(self.diffusion.reverse(estimate_x0, x_T, steps))

    def ipr_chain(
        self,
        lq: Tensor,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give the estimate after each step, t = T-1 .. 0: (T, b, ipr_length)."""
        x_T = self._start(lq, noise, generator)
        return self.reverse_chain(self.extract_condition(lq), x_T)

    def extract_ipr(
        self,
        lq: Tensor,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate the IPR of `lq` (b, in_channels, h, w): (b, ipr_length)."""
        return self.ipr_chain(lq, noise=noise, generator=generator)[-1]

    def forward(
        self,
        lq: Tensor,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Restore `lq` (b, in_channels, h, w), sizes multiples of `size_multiple`."""
        self._check(lq)
        return self.G(lq, self.extract_ipr(lq, noise=noise, generator=generator))  # type: ignore[no-any-return]

    def _start(
        self, lq: Tensor, noise: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        shape = (lq.shape[0], self.config.ipr_length)
        if noise is None:
            # Drawn on the CPU, so that a seed means the same on every device.
            generator = generator or torch.Generator().manual_seed(0)
            noise = standard_normal(shape, generator)
        elif tuple(noise.shape) != shape:
            raise InputError(
                f"The start noise must have shape {shape}, not {tuple(noise.shape)}."
            )
        return noise.to(lq)
