"""Diffusion of the IPR: schedule, forward noising, the T-step reverse process.

DiffIR, section 3.3, equations 6 to 10. The reverse process adds no noise and clips
nothing; all randomness is its start x_T, which is an argument.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from diffir_core.config import ModelConfig
from diffir_core.errors import InputError

X0Estimator = Callable[[int, Tensor], Tensor]
"""(t, x_t) -> the estimate of x0 at that step."""

_LOG_FLOOR = 1e-20


def standard_normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw float32 noise where the generator is, whatever torch's defaults are."""
    return torch.randn(
        shape, generator=generator, device=generator.device, dtype=torch.float32
    )


def schedule_values(timesteps: int, start: float, end: float) -> dict[str, Tensor]:
    """Give the named float32 schedule of T steps, computed in float64.

    ``beta_t`` is the square of a line from sqrt(start) to sqrt(end).
    """
    betas = np.linspace(start**0.5, end**0.5, timesteps, dtype=np.float64) ** 2
    alphas = 1.0 - betas
    alpha_bar = np.cumprod(alphas)
    previous = np.append(1.0, alpha_bar[:-1])
    variance = betas * (1.0 - previous) / (1.0 - alpha_bar)
    values = {
        "betas": betas,
        "alphas_cumprod": alpha_bar,
        "alphas_cumprod_prev": previous,
        "sqrt_alphas_cumprod": np.sqrt(alpha_bar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1.0 - alpha_bar),
        "log_one_minus_alphas_cumprod": np.log(1.0 - alpha_bar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1.0 / alpha_bar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1.0 / alpha_bar - 1.0),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, _LOG_FLOOR)),
        "posterior_mean_coef1": betas * np.sqrt(previous) / (1.0 - alpha_bar),
        "posterior_mean_coef2": (1.0 - previous) * np.sqrt(alphas) / (1.0 - alpha_bar),
    }
    return {name: torch.from_numpy(v).float() for name, v in values.items()}


class IPRDiffusion(nn.Module):
    """The schedule as buffers, and the two directions of the process."""

    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.timesteps = config.timesteps
        values = schedule_values(
            config.timesteps, config.linear_start, config.linear_end
        )
        for name, value in values.items():
            self.register_buffer(name, value)

    def q_sample(self, x0: Tensor, noise: Tensor) -> Tensor:
        """Noise a clean IPR up to the last step T (eq. 7): both are (b, length)."""
        return (
            self.sqrt_alphas_cumprod[-1] * x0
            + self.sqrt_one_minus_alphas_cumprod[-1] * noise
        )

    def reverse(
        self, estimate_x0: X0Estimator, x_T: Tensor, steps: int | None = None
    ) -> list[Tensor]:
        """Run reverse steps from `x_T`; give x after each, t = T-1 .. (eq. 10).

        At t = 0 the coefficients are (1, 0): the last value is the last estimate of x0.
        A chain of fewer `steps` ends likewise with the estimate of x0 of its last one.
        """
        steps = self.timesteps if steps is None else steps
        if not 1 <= steps <= self.timesteps:
            raise InputError(
                f"{steps} reverse steps were asked for; choose 1 to {self.timesteps}, "
                "with as many as the network was trained for at most."
            )
        chain, x = [], x_T
        for t in reversed(range(self.timesteps - steps, self.timesteps)):
            x0 = estimate_x0(t, x)
            x = self.posterior_mean_coef1[t] * x0 + self.posterior_mean_coef2[t] * x
            chain.append(x)
        if steps < self.timesteps:
            chain[-1] = x0
        return chain
