"""The denoising network of the IPR diffusion: a small MLP (DiffIR, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffir_core.config import ModelConfig

_SLOPE = 0.1


class _DenoiseLayer(nn.Module):
    """Linear and LeakyReLU; called residual by its authors, it adds no input."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.resmlp = nn.Sequential(nn.Linear(length, length), nn.LeakyReLU(_SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        """Transform `x` (b, length)."""
        return self.resmlp(x)  # type: ignore[no-any-return]


class Denoiser(nn.Module):
    """Estimate the clean IPR x0 from the noisy one, at a step, under a condition."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        length = config.ipr_length
        self.max_period = 10 * config.timesteps
        self.resmlp = nn.Sequential(
            nn.Linear(2 * length + 1, length),
            nn.LeakyReLU(_SLOPE),
            *(_DenoiseLayer(length) for _ in range(config.n_denoise_res)),
        )

    def forward(self, condition: Tensor, t: int, x_t: Tensor) -> Tensor:
        """Estimate x0 (b, length) from `x_t` at step `t` in 0 .. T-1."""
        time = x_t.new_full((x_t.shape[0], 1), t / self.max_period)
        return self.resmlp(torch.cat([condition, time, x_t], dim=1))  # type: ignore[no-any-return]
