"""The losses: of both stages (DiffIR, equations 4, 11 and 12), and adversarial ones.

Each is written as officially coded; where the paper differs, the docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two tensors of one shape -> the scalar mean of a distance of their elements."""

_KL_TEMPERATURE = 0.15
_LOG_RMS_WEIGHT = 0.03
_LEAST_MEAN_SQUARE = 1e-6
"""The square of 0.001 of the range: nobody sees less, and a logarithm needs a floor."""


def pixel_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two images (b, c, h, w), in model units."""
    return F.l1_loss(prediction, target)


def pixel_log_rms(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over the patches (b, c, h, w) of 0.03 times the logarithm of the rms error.

    A decibel counts as much in a patch with little noise as in one with much, where L1
    and squares of mixed noise levels are ruled by the worst of them. The squares make
    the restored pixel the mean of what it may be, not its median. The weight makes the
    gradient that of the rms itself where that is 0.03, a usual error: what is added,
    such as the distance of the IPRs, counts as it does beside L1. It is 0 at best.
    """
    squares = (prediction - target).square().mean(dim=(1, 2, 3))
    return _LOG_RMS_WEIGHT * 0.5 * (squares / _LEAST_MEAN_SQUARE).log1p().mean()


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


def adversarial_real(logits: Tensor) -> Tensor:
    """Binary cross-entropy against "real", mean over `logits` of any shape.

    It is the discriminator's loss on real images, and the generator's (vanilla and
    non-saturating alike) on its own: -log sigmoid(logits).
    """
    return F.softplus(-logits).mean()


def adversarial_fake(logits: Tensor, holes: Tensor | None = None) -> Tensor:
    """Binary cross-entropy against "fake", mean over `logits` (b, 1, h', w').

    With `holes` (b, 1, h, w), 1 where the generator had to invent, only they are to be
    told as fake: a generated image is to be called real where its pixels were known
    (LaMa's mask as target). The mask is brought to the logits' size by nearest
    neighbour, without regard to their receptive field.
    """
    fake = F.softplus(logits)
    if holes is None:
        return fake.mean()
    share = F.interpolate(holes, logits.shape[-2:], mode="nearest")
    return (share * fake + (1 - share) * F.softplus(-logits)).mean()


def r1_penalty(logits: Tensor, images: Tensor, weight: float = 0.001) -> Tensor:
    """Squared gradient of the summed logits with respect to real `images` (b, c, h, w).

    ``weight * mean_b ||d sum(logits_b) / d images_b||^2``, without the factor 1/2 of
    the paper (Mescheder et al., 2018), as in LaMa. `images` must require a gradient.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return weight * slope.square().flatten(1).sum(1).mean()


def feature_matching(
    fake: Sequence[Tensor],
    real: Sequence[Tensor],
    weight: float = 100.0,
    distance: Distance = F.l1_loss,
) -> Tensor:
    """Mean over features of the mean distance of fake and real ones (pix2pixHD).

    No gradient flows into the real ones. pix2pixHD takes the absolute difference;
    the code of LaMa, and with it that of DiffIR, the square (`F.mse_loss`).
    """
    pairs = zip(fake, real, strict=True)
    return weight * torch.stack([distance(a, b.detach()) for a, b in pairs]).mean()
