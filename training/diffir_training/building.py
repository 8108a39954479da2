"""From a recipe's values to data, networks, stages and optimisers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from diffir_core.checkpoint import load_model
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.nn import DiffIRS1, DiffIRS2
from diffir_training.adversarial_stages import AdversarialStage, InpaintingStage
from diffir_training.beginning import begin_at
from diffir_training.data import TrainingData, open_data
from diffir_training.discriminators import PatchDiscriminator, UNetDiscriminator
from diffir_training.losses import (
    Distance,
    kd_kl,
    kd_l1,
    pixel_l1,
    pixel_log_rms,
)
from diffir_training.perceptual import ResNetLoss, VGGLoss
from diffir_training.recipe import Recipe
from diffir_training.stage_schedule import Adversary, StageSchedule
from diffir_training.stages import (
    EstimationStage,
    GroundTruthStage,
    JointStage,
    Stage,
    stage_two_from,
)

logger = logging.getLogger(__name__)

_DISTANCES: dict[str, Distance] = {"l1": kd_l1, "kl": kd_kl}
PIXEL_LOSSES: dict[str, Distance] = {"l1": pixel_l1, "log_rms": pixel_log_rms}
"""Errors of an image, by what a recipe calls them."""


def data_of(recipe: Recipe) -> TrainingData:
    """Open what a recipe trains on, and what it holds back to validate on."""
    plan = recipe.validation
    return open_data(
        recipe.data.images,
        recipe.data.folder,
        recipe.noise,
        channels=recipe.model.out_channels,
        largest_patch=recipe.largest_patch,
        held_back=plan.held_back if plan else None,
        seed=recipe.seed,
        patch_multiple=recipe.patch_multiple,
    )


def first_network(recipe: Recipe) -> DiffIRS1:
    """Give the stage-1 network that a run begins with, new or trained before."""
    start = recipe.start
    if start.stage1 is not None:
        return cast("DiffIRS1", trained(start.stage1, 1, recipe).network)
    network = DiffIRS1(recipe.model)
    if start.stage2 is not None:
        lender = trained(start.stage2, 2, recipe)
        network.G.load_state_dict(lender.network.G.state_dict())
        if lender.statistics is not None:
            begin_at(network, torch.from_numpy(lender.statistics.mean))
    return network


def second_network(recipe: Recipe, teacher: DiffIRS1) -> DiffIRS2:
    """Give the stage-2 network: the DIRformer of stage 1, and what `start` has."""
    start = recipe.start
    if start.stage2 is None:
        return stage_two_from(teacher, recipe.model)
    network = trained(start.stage2, 2, recipe).restorer
    if recipe.stages[0].kind == "ground_truth":  # Its DIRformer has learnt since.
        network.G.load_state_dict(teacher.G.state_dict())
    return network


def trained(name: str, stage: int, recipe: Recipe) -> Model:
    """Load what a run begins with; refuse another stage, or another network."""
    model = load_model(name)
    if model.stage != stage:
        raise InputError(
            f"start.stage{stage} names {name}, which is a model of the other stage; a "
            "training leaves stage1.safetensors and stage2.safetensors."
        )
    same = (
        model.config.shares_stage1_with(recipe.model)
        if stage == 1
        else model.config == recipe.model.replace(task=model.config.task)
    )
    if not same:
        raise InputError(
            f"The network of {name} is not the recipe's model; copy its "
            "configuration, which diffir info shows, into the recipe."
        )
    model.network.requires_grad_(True)
    return model


def discriminator_for(recipe: Recipe, schedule: StageSchedule) -> nn.Module | None:
    """Give a new discriminator if the stage trains against one."""
    if schedule.adversary is None:
        return None
    channels = recipe.model.out_channels
    if schedule.adversary.kind == "inpainting":
        return PatchDiscriminator(channels)
    return UNetDiscriminator(channels)


def build_stage(
    schedule: StageSchedule,
    stage1: DiffIRS1,
    stage2: DiffIRS2 | None,
    discriminator: nn.Module | None,
) -> Stage:
    """Give the stage of a schedule."""
    plain: GroundTruthStage | EstimationStage
    distance = _DISTANCES[schedule.distillation]
    pixel = PIXEL_LOSSES[schedule.pixel_loss]
    if stage2 is None:
        plain = GroundTruthStage(stage1, pixel)
    elif schedule.kind == "estimation":
        plain = EstimationStage(stage1, stage2, distance)
    else:
        plain = JointStage(stage1, stage2, distance, pixel)
    if schedule.adversary is None or discriminator is None:
        return plain
    return _against(schedule.adversary, plain, discriminator)


def _against(
    adversary: Adversary,
    plain: GroundTruthStage | EstimationStage,
    discriminator: nn.Module,
) -> Stage:
    device = next(discriminator.parameters()).device
    perceptual = perceptual_of(adversary)
    if perceptual is None:
        logger.warning(
            "No weights for the perceptual network are given (adversary.perceptual); "
            "this stage trains without the perceptual term."
        )
    if adversary.kind == "inpainting":
        return InpaintingStage(
            cast("GroundTruthStage | JointStage", plain),
            cast("PatchDiscriminator", discriminator),
            cast("ResNetLoss", perceptual.to(device)) if perceptual else None,
            adversary.weights,
        )
    return AdversarialStage(
        cast("JointStage", plain),
        cast("UNetDiscriminator", discriminator),
        cast("VGGLoss", perceptual.to(device)) if perceptual else None,
        adversary.weights,
    )


def perceptual_of(adversary: Adversary) -> ResNetLoss | VGGLoss | None:
    """Give the perceptual loss that an adversary is joined by, if any."""
    if adversary.perceptual is None:
        return None
    if adversary.kind == "inpainting":
        return ResNetLoss.from_file(adversary.perceptual)
    return VGGLoss.from_file(adversary.perceptual)


def adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    betas: tuple[float, float],
) -> torch.optim.Adam:
    """Give Adam, fused: one pass over memory instead of ten."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)
