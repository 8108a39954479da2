"""What learns during one stage: networks, optimisers and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from diffir_core.errors import InputError
from diffir_training.adversarial_stages import DiscriminatingStage
from diffir_training.batches import Batch, BatchSource
from diffir_training.building import adam
from diffir_training.devices import Devices, autocast_dtype
from diffir_training.ema import EMA
from diffir_training.graphed import GraphedLoss
from diffir_training.microbatch import MicroBatches
from diffir_training.recipe import Recipe
from diffir_training.stage_schedule import StageSchedule
from diffir_training.stages import Stage
from diffir_training.worker_batches import Ahead, prepared_ahead


@dataclass(frozen=True, slots=True)
class StageBatches:
    """The batches of a stage by their numbers in the run, as one process sees them."""

    data: BatchSource
    schedule: StageSchedule
    devices: Devices
    first: int
    """Number of the stage's first batch."""

    def __call__(self, number: int) -> Batch:
        """Draw this process's part of a batch."""
        size, count = self.schedule.size_at(number - self.first)
        return self.data.batch(number, size, self.devices.own(range(count)))


class Learner:
    """One stage of a recipe on its way; a step depends on its numbers alone."""

    def __init__(
        self,
        recipe: Recipe,
        schedule: StageSchedule,
        stage: Stage,
        data: BatchSource,
        devices: Devices,
        discriminator: nn.Module | None = None,
    ) -> None:
        self._recipe, self.schedule = recipe, schedule
        self._data, self._devices = data, devices
        self._ahead: Ahead[Batch] | None = None
        self._told_seconds = 0.0
        self._graph: GraphedLoss | None = None
        self._micro = MicroBatches(recipe.loop.micro_batch)
        self._dtype = autocast_dtype(recipe.loop.precision, devices.device)
        self.stage, self.discriminator = stage, discriminator
        self._opponent: torch.optim.Adam | None = None
        if discriminator is not None and schedule.adversary is not None:
            rate = schedule.adversary.rate.rate(0)
            self._opponent = adam(discriminator.parameters(), rate, schedule.betas)
        self._parameters = list(self.stage.parameters())
        self.optimizer = adam(self._parameters, schedule.rate_at(0), schedule.betas)
        self.ema: EMA[Any] = EMA(self.stage.network, self._ema_decay())

    def step(self, number: int, step_in_stage: int) -> float:
        """Take a step: batch `number` of the run; give its loss."""
        rate = self.schedule.rate_at(step_in_stage)
        _set_rate(self.optimizer, rate)
        _, count = self.schedule.size_at(step_in_stage)
        batch = self._next_batch(number, step_in_stage)
        noise = self._noise(number, count)
        own = self._devices.own(range(count))
        if self._is_graphed:
            totals = [self._replayed(batch, noise[own], len(own) / count)]
        else:
            totals = self._accumulated(batch, noise, own)
        self._devices.sum_gradients(self._parameters)
        loss = self._devices.sum(totals[0] if totals else 0.0)
        if not math.isfinite(loss):
            raise self._diverged(loss, number, rate)
        self._clip(self._parameters)
        self.optimizer.step()
        self._step_discriminator(step_in_stage)
        self.ema.update(self.stage.network)
        return loss

    @property
    def _is_graphed(self) -> bool:
        on_cuda = self._devices.device.type == "cuda"
        return self._recipe.loop.cuda_graph and on_cuda and self.discriminator is None

    def _diverged(self, loss: float, number: int, rate: float) -> InputError:
        schedule = self.schedule
        limit = schedule.learning_rate if schedule.rate is None else rate
        kept = ", for example from this run's stage1.safetensors"
        return InputError(
            f"The loss is {loss} at step {number}; start anew with a lower learning "
            f"rate than {limit:g} in the stage '{schedule.kind}'"
            f"{'' if schedule.kind == 'ground_truth' else kept}."
        )

    def _accumulated(self, batch: Batch, noise: Tensor, own: list[int]) -> list[float]:
        """Add up the gradients of this process's patches, in pieces that fit."""

        def losses(items: Sequence[int]) -> Iterator[Tensor]:
            some = batch.some([own.index(item) for item in items])
            return self._losses(some, noise[list(items)])

        return self._micro.accumulate(own, len(noise), losses, self._clear)

    def _replayed(self, batch: Batch, noise: Tensor, share: float) -> float:
        """Give the loss, weighted by the share of the batch, by a recorded graph."""
        device = self._devices.device
        batch, noise = batch.to(device), noise.to(device)
        if self._graph is None or not self._graph.fits(batch, noise):
            self._graph = None  # What it holds of the memory is needed anew.
            self._graph = GraphedLoss(
                lambda some, start: share * next(self._losses(some, start)),
                self._parameters,
                batch,
                noise,
            )
        return self._graph(batch, noise)

    def _next_batch(self, number: int, step_in_stage: int) -> Batch:
        """Take what this process sees of a batch, and have the next ones prepared."""
        if self._ahead is None:
            first = number - step_in_stage
            batch_of = StageBatches(self._data, self.schedule, self._devices, first)
            self._ahead = prepared_ahead(batch_of, number, self._recipe.loop.workers)
        return next(self._ahead)

    def waited_seconds(self) -> float:
        """Give how long steps have waited for batches since this was last asked."""
        total = self._ahead.waited_seconds if self._ahead else 0.0
        since, self._told_seconds = total - self._told_seconds, total
        return since

    def close(self) -> None:
        """Prepare no further batches, until the next step."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead, self._told_seconds = None, 0.0

    def _losses(self, batch: Batch, own: Tensor) -> Iterator[Tensor]:
        """Give the loss of the network, then that of its discriminator, if any."""
        device = self._devices.device
        batch, own = batch.to(device), own.to(device)
        with torch.autocast(
            device.type,
            self._dtype or torch.bfloat16,
            enabled=self._dtype is not None,
            cache_enabled=not self._is_graphed,
        ):
            loss = self.stage.loss(batch, own)
        yield loss
        if self.discriminator is not None:
            stage = cast("DiscriminatingStage", self.stage)
            yield stage.discriminator_loss(batch, own)

    def _noise(self, number: int, count: int) -> Tensor:
        """Draw the diffusion noise of a step, (count, ipr_length), one row a patch."""
        generator = torch.Generator().manual_seed(self._recipe.seed + number)
        return torch.randn((count, self._recipe.model.ipr_length), generator=generator)

    def _step_discriminator(self, step_in_stage: int) -> None:
        adversary = self.schedule.adversary
        if adversary is None or self._opponent is None or self.discriminator is None:
            return
        _set_rate(self._opponent, adversary.rate.rate(step_in_stage))
        parameters = list(self.discriminator.parameters())
        self._devices.sum_gradients(parameters)
        self._clip(parameters)
        self._opponent.step()

    def _clip(self, parameters: list[nn.Parameter]) -> None:
        if self._recipe.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self._recipe.clip_gradient_norm)

    def _ema_decay(self) -> float:
        own = self.schedule.ema_decay
        return self._recipe.ema_decay if own is None else own

    def _clear(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if self._opponent is not None:
            self._opponent.zero_grad(set_to_none=True)

    def keep_average(self) -> None:
        """Go on with the averaged weights, which are better than the last ones."""
        self.stage.network.load_state_dict(self.ema.network.state_dict())

    def state(self) -> dict[str, Any]:
        """Give all that changes, but for the networks themselves."""
        return {
            "ema": self.ema.network.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "discriminator": _state_of(self.discriminator),
            "opponent": _state_of(self._opponent),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.ema.network.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.discriminator is not None and self._opponent is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self._opponent.load_state_dict(state["opponent"])


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _state_of(
    part: nn.Module | torch.optim.Optimizer | None,
) -> dict[str, Any] | None:
    return None if part is None else part.state_dict()
