"""The losses of both stages (DiffIR, equations 4, 11 and 12, as officially coded)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_KL_TEMPERATURE = 0.15


def pixel_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two images (b, c, h, w), in model units."""
    return F.l1_loss(prediction, target)


def masked_l1(
    prediction: Tensor, target: Tensor, mask: Tensor, weight: float = 10.0
) -> Tensor:
    """L1 on the known pixels alone, for inpainting: `mask` (b, 1, h, w) is 1 in holes.

    The mean runs over all pixels, holes included, as in the official code.
    """
    return ((prediction - target).abs() * weight * (1 - mask)).mean()


def kd_l1(teacher: Tensor, student: Tensor) -> Tensor:
    """Mean absolute difference of two IPRs (b, length): the distillation loss.

    The teacher is the stage-1 IPR; no gradient flows into it.
    """
    return F.l1_loss(student, teacher.detach())


def kd_kl(
    teacher: Tensor, student: Tensor, temperature: float = _KL_TEMPERATURE
) -> Tensor:
    """KL divergence of the softened IPRs, mean over the batch; not optimised."""
    log_student = F.log_softmax(student / temperature, dim=1)
    softened = F.softmax(teacher.detach() / temperature, dim=1)
    return F.kl_div(log_student, softened, reduction="batchmean")
