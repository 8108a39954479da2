"""One gradient from a batch that is worked through in pieces.

The gradient of a mean over a batch is the sum of those of its pieces, each weighted by
its share. So the effective batch, and what is learnt, does not depend on how many
patches fit into memory at once, nor on how many processes share them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from diffir_core.errors import InputError

logger = logging.getLogger(__name__)

_NOT_EVEN_ONE = (
    "The device has no memory for a single patch; end what else uses it, choose a "
    "smaller patch_size or network, or train on the CPU (loop.device=cpu)."
)

Losses = Callable[[Sequence[int]], Iterable[Tensor]]
"""Items of a batch -> the losses to descend, each a mean over these items; one is
asked for after the gradient of the one before was taken."""


class MicroBatches:
    """Works through batches; after running out of memory, in smaller pieces."""

    def __init__(self, largest: int | None = None) -> None:
        self.largest = largest
        """Items at once; None is all."""

    def accumulate(
        self,
        items: Sequence[int],
        batch: int,
        losses_of: Losses,
        clear: Callable[[], None],
    ) -> list[float]:
        """Add up the gradients of `items`, which are some of a batch of `batch`.

        Returns the losses, weighted by the share of `items` in the batch. `clear`
        drops gradients, before the start and after a failure.

        Raises
        ------
        InputError
            If not even one item fits.
        """
        while True:
            clear()
            try:
                return self._attempt(items, batch, losses_of)
            except torch.OutOfMemoryError as error:
                pieces = min(self.largest or len(items), len(items))
                if pieces <= 1:
                    raise InputError(_NOT_EVEN_ONE) from error
                self.largest = -(-pieces // 2)
                logger.warning(
                    "Out of memory; patches are now taken %d at a time, the effective "
                    "batch stays %d.",
                    self.largest,
                    batch,
                )
                torch.cuda.empty_cache()

    def _attempt(
        self, items: Sequence[int], batch: int, losses_of: Losses
    ) -> list[float]:
        step = self.largest or max(1, len(items))
        totals: list[float] = []
        for first in range(0, len(items), step):
            some = items[first : first + step]
            for number, loss in enumerate(losses_of(some)):
                share = len(some) / batch
                (loss * share).backward()  # type: ignore[no-untyped-call]
                value = float(loss.detach()) * share
                if number < len(totals):
                    totals[number] += value
                else:
                    totals.append(value)
        return totals
