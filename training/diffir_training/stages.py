"""The stages of DiffIR's training, each a loss and what it may change.

::

    1  ground truth  Z = CPEN_S1(lq, gt);           |G(lq, Z) - gt|
    2a estimation    Z' = chain(CPEN_S2(lq), x_T);  |Z' - Z|
    2b joint         the same Z';                   |G(lq, Z') - gt| + |Z' - Z|

In both phases of stage 2, x_T is Z noised to the last step, and gradients flow through
all T reverse steps; the stage-1 network is a frozen teacher (DiffIR, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_training.batches import Batch
from diffir_training.losses import Distance, kd_l1, pixel_l1


class Stage(Protocol):
    """What the training loop needs of a stage."""

    @property
    def network(self) -> nn.Module:
        """The network whose average is kept."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters that this stage trains."""

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the scalar loss of a batch under Gaussian noise (b, ipr_length)."""

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Give the restored patches (b, c, h, w), by `network` in this stage's role."""


class GroundTruthStage:
    """Stage 1: learn the IPR from ground truth, and to restore under it (eq. 4)."""

    def __init__(self, network: DiffIRS1, pixel: Distance = pixel_l1) -> None:
        self.network, self.pixel = network, pixel

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give all parameters."""
        return self.network.parameters()

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the error of the restored image; there is no randomness."""
        return self.pixel(self.restore(batch, noise)[0], batch.clean)

    def restore(self, batch: Batch, noise: Tensor) -> tuple[Tensor, None]:
        """Give the restored image (b, c, h, w); there is nothing to distil."""
        return self.network(batch.noisy, batch.clean), None

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Restore with the ground truth in view, as stage 1 does."""
        return network(batch.noisy, batch.clean)  # type: ignore[no-any-return]


class EstimationStage:
    """Stage 2, first phase: CPEN_S2 and the denoiser learn the stage-1 IPR (eq. 11)."""

    def __init__(
        self, teacher: DiffIRS1, network: DiffIRS2, distance: Distance = kd_l1
    ) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.network, self.distance = network, distance

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters of CPEN_S2 and the denoiser."""
        yield from self.network.condition.parameters()
        yield from self.network.denoise.parameters()

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the distance of the estimated from the stage-1 IPR, L1 by default."""
        target, estimate = self.iprs(batch, noise)
        return self.distance(target, estimate)

    def iprs(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give the stage-1 IPR and its estimate, both (b, ipr_length)."""
        with torch.no_grad():
            target = self.teacher.extract_ipr(batch.noisy, batch.clean)
            x_T = self.network.diffusion.q_sample(target, noise.to(target))
        condition = self.network.extract_condition(batch.noisy)
        return target, self.network.reverse_chain(condition, x_T)[-1]

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Restore from the degraded patches alone, under one start noise for all."""
        generator = torch.Generator().manual_seed(0)
        length = self.network.config.ipr_length
        noise = torch.randn((1, length), generator=generator)
        noise = noise.expand(len(batch.noisy), -1).to(batch.noisy)
        return network(batch.noisy, noise=noise)  # type: ignore[no-any-return]


class JointStage(EstimationStage):
    """Stage 2, second phase: everything learns together (eq. 12)."""

    def __init__(
        self,
        teacher: DiffIRS1,
        network: DiffIRS2,
        distance: Distance = kd_l1,
        pixel: Distance = pixel_l1,
    ) -> None:
        super().__init__(teacher, network, distance)
        self.pixel = pixel

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give all parameters."""
        return self.network.parameters()

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the error of the restored image plus the distance of the IPRs."""
        restored, distillation = self.restore(batch, noise)
        return self.pixel(restored, batch.clean) + distillation

    def restore(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give the restored image (b, c, h, w) and the L1 of its IPR."""
        target, estimate = self.iprs(batch, noise)
        return self.network.G(batch.noisy, estimate), self.distance(target, estimate)


def stage_two_from(teacher: DiffIRS1, config: ModelConfig) -> DiffIRS2:
    """Start stage 2: the DIRformer of stage 1, new CPEN_S2 and denoiser.

    The diffusion is that of `config`; stage 1 has none.
    """
    network = DiffIRS2(config)
    network.G.load_state_dict(teacher.G.state_dict())
    return network
