"""Train a rival by the recipe of a DiffIR: the same patches, loss and schedule.

What differs is the network alone. Of the stages of a recipe, those that restore images
are gone through, `ground_truth` and `joint`; each sees the very batches that it would
see in the training of the DiffIR, and begins with the average of the stage before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from diffir_training.batches import Batch
from diffir_training.building import PIXEL_LOSSES, data_of
from diffir_training.devices import Devices
from diffir_training.learner import Learner
from diffir_training.losses import Distance
from diffir_training.recipe import Recipe
from diffir_training.stage_schedule import StageSchedule
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


class RivalStage:
    """A stage for the training loop of DiffIR; there is no IPR, so no noise."""

    def __init__(self, network: Rival, pixel: Distance) -> None:
        self.network, self._pixel = network, pixel

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give all parameters."""
        return self.network.parameters()

    def loss(self, batch: Batch, noise: Tensor) -> Tensor:
        """Give the error of the restored patches."""
        return self._pixel(self.restored(self.network, batch), batch.clean)

    def restored(self, network: nn.Module, batch: Batch) -> Tensor:
        """Restore patches (b, c, h, w)."""
        return network(batch.noisy)  # type: ignore[no-any-return]


def train(
    recipe: Recipe,
    network: Rival,
    parts: Sequence[Stretch],
    devices: Devices,
) -> Iterator[Step]:
    """Train a network on its device, in place, step by step.

    In the end its weights are the average.
    """
    data = data_of(recipe).training
    for part in parts:
        schedule = part.schedule
        stage = RivalStage(network, PIXEL_LOSSES[schedule.pixel_loss])
        learner = Learner(recipe, schedule, stage, data, devices)
        with closing(learner):
            for step in range(schedule.steps):
                loss = learner.step(part.first + step, step)
                yield Step(loss, schedule.rate_at(step), learner.ema.network)
        learner.keep_average()
