"""A loss and its gradients as one recorded CUDA graph.

A step of a small network is thousands of short kernels, and a fast GPU waits for the
CPU to launch each of them. Recorded once, they are launched together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from diffir_training.batches import Batch

LossOf = Callable[[Batch, Tensor], Tensor]
_WARMUP_RUNS = 3


class GraphedLoss:
    """Replays a loss for batches of one shape; gradients appear in the parameters.

    Every replay overwrites the gradients, so they must never be set to None between.
    """

    def __init__(
        self,
        loss_of: LossOf,
        parameters: Iterable[nn.Parameter],
        batch: Batch,
        noise: Tensor,
    ) -> None:
        self._parameters = list(parameters)
        self._inputs = [tensor.clone() for tensor in _tensors(batch, noise)]
        noisy, clean, start = self._inputs
        self._graph = torch.cuda.CUDAGraph()
        self._warm_up(loss_of, Batch(noisy, clean), start)
        with torch.cuda.graph(self._graph):
            self._loss = loss_of(Batch(noisy, clean), start)
            self._loss.backward()  # type: ignore[no-untyped-call]

    def fits(self, batch: Batch, noise: Tensor) -> bool:
        """Whether this was recorded for tensors of these shapes."""
        given = _tensors(batch, noise)
        return all(
            own.shape == one.shape for own, one in zip(self._inputs, given, strict=True)
        )

    def __call__(self, batch: Batch, noise: Tensor) -> float:
        """Give the loss of a batch, and leave its gradients in the parameters."""
        for own, given in zip(self._inputs, _tensors(batch, noise), strict=True):
            own.copy_(given, non_blocking=True)
        self._graph.replay()
        return float(self._loss.detach())

    def _warm_up(self, loss_of: LossOf, batch: Batch, noise: Tensor) -> None:
        """Let libraries choose their kernels, which must not happen in a recording."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARMUP_RUNS):
                self._forget_gradients()
                loss_of(batch, noise).backward()  # type: ignore[no-untyped-call]
        torch.cuda.current_stream().wait_stream(aside)
        self._forget_gradients()

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def _tensors(batch: Batch, noise: Tensor) -> list[Tensor]:
    return [batch.noisy, batch.clean, noise]
