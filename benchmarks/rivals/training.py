"""Train a rival by the recipe of a DiffIR: the same patches, loss and schedule.

What differs is the network alone. Of the stages of a recipe, those that restore images
are gone through, `ground_truth` and `joint`; each sees the very batches that it would
see in the training of the DiffIR, and begins with the average of the stage before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from diffir_training.batches import Batch, BatchSource
from diffir_training.building import PIXEL_LOSSES, adam, data_of
from diffir_training.devices import Devices, autocast_dtype
from diffir_training.ema import EMA
from diffir_training.learner import StageBatches
from diffir_training.recipe import Recipe, StageSchedule
from diffir_training.worker_batches import Ahead, prepared_ahead
from torch import Tensor, nn

from diffir_core.errors import InputError
from rivals.networks import Rival


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stage that restores images."""

    schedule: StageSchedule
    first: int
    """Number of its first batch in the whole recipe."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    loss: float
    rate: float
    """Learning rate."""
    average: Rival
    """The averaged weights so far."""


def stretches(recipe: Recipe, steps: int | None = None) -> list[Stretch]:
    """Give the stages that restore images; with `steps`, shortened in proportion."""
    found, first = [], 0
    for schedule in recipe.stages:
        if schedule.adversary is not None:
            raise InputError("Rivals train without a discriminator; leave it out.")
        if schedule.kind != "estimation":
            found.append(Stretch(schedule, first))
        first += schedule.steps
    return found if steps is None else _shortened(found, steps)


def _shortened(given: Sequence[Stretch], steps: int) -> list[Stretch]:
    total = sum(one.schedule.steps for one in given)
    found, before = [], 0
    for one in given:
        start, before = before * steps // total, before + one.schedule.steps
        own = before * steps // total - start
        if own:
            found.append(Stretch(one.schedule.replace(steps=own), one.first))
    return found


def train(
    recipe: Recipe,
    network: Rival,
    parts: Sequence[Stretch],
    device: torch.device,
) -> Iterator[Step]:
    """Train a network on its device, in place, step by step.

    In the end its weights are the average.
    """
    data = data_of(recipe).training
    for part in parts:
        learner = _Learner(recipe, part, network, device)
        with closing(_batches(recipe, data, part)) as batches:
            for step in range(part.schedule.steps):
                yield learner.step(step, next(batches))
        network.load_state_dict(learner.ema.network.state_dict())


def _batches(recipe: Recipe, data: BatchSource, part: Stretch) -> Ahead[Batch]:
    """Prepare the batches of a stage ahead."""
    alone = Devices(torch.device("cpu"), rank=0, processes=1)
    batch_of = StageBatches(data, part.schedule, alone, part.first)
    return prepared_ahead(batch_of, part.first, recipe.loop.workers)


class _Learner:
    """A stage under way: its optimiser, and the average of the weights."""

    def __init__(
        self, recipe: Recipe, part: Stretch, network: Rival, device: torch.device
    ) -> None:
        schedule = part.schedule
        own = schedule.ema_decay
        self._schedule, self._network, self._device = schedule, network, device
        self._clip = recipe.clip_gradient_norm
        self._dtype = autocast_dtype(recipe.loop.precision, device)
        self._optimizer = adam(
            network.parameters(), schedule.rate_at(0), schedule.betas
        )
        self.ema: EMA[Rival] = EMA(network, recipe.ema_decay if own is None else own)

    def step(self, step: int, batch: Batch) -> Step:
        """Take a step of this stage."""
        rate = self._schedule.rate_at(step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(batch.to(self._device))
        if not math.isfinite(loss.item()):
            raise InputError(
                f"The loss is {loss.item()} at step {step}; lower the rate ({rate:g})."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._optimizer.step()
        self.ema.update(self._network)
        return Step(loss.item(), rate, self.ema.network)

    def _loss(self, batch: Batch) -> Tensor:
        pixel = PIXEL_LOSSES[self._schedule.pixel_loss]
        with torch.autocast(
            self._device.type,
            self._dtype or torch.bfloat16,
            enabled=self._dtype is not None,
        ):
            return pixel(self._network(batch.noisy), batch.clean)
