"""Batches that are prepared in the background while the network learns."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from diffir_core.errors import InputError

BatchT = TypeVar("BatchT")
_LAST_BATCH_SECONDS = 30.0


class Prefetcher(Generic[BatchT]):
    """Gives the batches `first`, `first` + 1, ... without end, prepared by a thread.

    At most `ahead` batches are ready at a time. An error of the thread is raised where
    its batch would have come. Close it, or use it in a ``with`` block.
    """

    def __init__(
        self, batch_of: Callable[[int], BatchT], first: int = 0, ahead: int = 2
    ) -> None:
        if ahead < 1:
            raise InputError(f"ahead is {ahead}; at least 1 batch must be prepared.")
        self._batch_of = batch_of
        self._ahead = ahead
        self._ready: deque[BatchT] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._waited_seconds = 0.0
        # A daemon: a batch that never ends must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._prepare, args=(first,), name="prefetch", daemon=True
        )
        self._thread.start()

    @property
    def waited_seconds(self) -> float:
        """How long the consumer was kept waiting, in all."""
        return self._waited_seconds

    def __iter__(self) -> Iterator[BatchT]:
        return self

    def __next__(self) -> BatchT:
        """Give the next batch, as soon as it is there; none once closed."""
        with self._changed:
            start = time.perf_counter()
            self._changed.wait_for(lambda: self._ready or self._error or self._closed)
            self._waited_seconds += time.perf_counter() - start
            if self._closed:
                raise StopIteration
            if self._ready:
                batch = self._ready.popleft()
                self._changed.notify_all()
                return batch
            if self._error is None:
                raise StopIteration
            raise self._error

    def close(self) -> None:
        """Drop what is ready, and wait for the batch in the making, for a while.

        A thread that the interpreter catches within native code at its own end would
        take the process down.
        """
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join(_LAST_BATCH_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self, number: int) -> None:
        """Prepare batch after batch, until closed or failed: the thread's work."""
        while self._has_room():
            try:
                batch = self._batch_of(number)
            except BaseException as error:  # The consumer raises it.
                self._fail(error)
                return
            self._put(batch)
            number += 1

    def _has_room(self) -> bool:
        """Wait until a batch may be prepared; False when closed meanwhile."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or len(self._ready) < self._ahead
            )
            return not self._closed

    def _put(self, batch: BatchT) -> None:
        with self._changed:
            if not self._closed:
                self._ready.append(batch)
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
