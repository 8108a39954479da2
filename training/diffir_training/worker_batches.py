"""Batches that processes of their own prepare, for a device that learns faster.

A thread (`diffir_training.prefetch`) keeps ahead of a CPU; a large GPU learns from a
batch in less time than one thread takes to simulate it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from diffir_training.prefetch import Prefetcher

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)


class Ahead(Protocol[BatchT_co]):
    """Gives batches in the order of their numbers, prepared before they are needed."""

    @property
    def waited_seconds(self) -> float:
        """How long the consumer was kept waiting, in all."""

    def __next__(self) -> BatchT_co:
        """Give the next batch, as soon as it is there."""

    def close(self) -> None:
        """Drop what is ready, and prepare no more."""


def prepared_ahead(
    batch_of: Callable[[int], BatchT], first: int = 0, workers: int = 0
) -> Ahead[BatchT]:
    """Have the batches `first`, `first` + 1, ... prepared, by a thread or by processes.

    With `workers` processes, `batch_of` is sent to each by pickle; a script that trains
    so must guard its beginning by ``if __name__ == "__main__":``.
    """
    if workers:
        return WorkerBatches(batch_of, first, workers)
    return Prefetcher(batch_of, first)


class WorkerBatches(Generic[BatchT]):
    """Gives the batches `first`, `first` + 1, ... without end, prepared by processes.

    Each has at most two ready. An error is raised where its batch would have come.
    """

    def __init__(
        self, batch_of: Callable[[int], BatchT], first: int, workers: int
    ) -> None:
        loader: DataLoader[Any] = DataLoader(
            _Batches(batch_of),
            batch_size=None,
            sampler=count(first),
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_interrupts,
            # A forked child would share locks and CUDA's state with this process.
            multiprocessing_context="spawn",
            # Else it would draw from the generator that initial weights come from.
            generator=torch.Generator(),
        )
        self._batches: Iterator[Any] = iter(loader)
        self.waited_seconds = 0.0
        """How long the consumer was kept waiting, in all."""

    def __next__(self) -> BatchT:
        """Give the next batch, as soon as it is there; none once closed."""
        start = time.perf_counter()
        batch: BatchT | _Failed = next(self._batches)
        self.waited_seconds += time.perf_counter() - start
        if isinstance(batch, _Failed):
            raise batch.error
        return batch

    def close(self) -> None:
        """Drop what is ready, and end the processes."""
        self._batches = iter(())


class _Failed:
    """An error on its way to where it can be raised as what it is."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Batches(Dataset[Any]):
    def __init__(self, batch_of: Callable[[int], Any]) -> None:
        self._batch_of = batch_of

    def __getitem__(self, number: int) -> Any:
        try:
            return self._batch_of(number)
        except Exception as error:  # The consumer raises it.
            return _Failed(error)


def _leave_interrupts(worker: int) -> None:
    """Let Ctrl-C, which reaches all processes, be answered by the first alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(batch: BatchT) -> BatchT:
    return batch
