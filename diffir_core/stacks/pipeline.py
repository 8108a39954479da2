"""Threads that read ahead and write behind, so that the device need not wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Kept = TypeVar("Kept")

_POLL_SECONDS = 0.05
_END = object()


class ReadAhead(Generic[Item]):
    """Runs an iterator in a thread of its own; at most one item waits to be taken."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._queue: Queue[object] = Queue(1)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self.waited_seconds = 0.0
        self._thread = threading.Thread(
            target=self._run, name="diffir-read", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            for item in self._items:
                self._offer(item)
                del item  # Or it would outlive its restoration by one reading.
                if self._stop.is_set():
                    return
        except BaseException as error:  # Raised again where the items are taken.
            self._error = error
        self._offer(_END)

    def _offer(self, item: object) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue

    def take(self) -> Generator[None, None, Item | None]:
        """Wait for the next item, yielding now and then; None is the end."""
        started = time.monotonic()
        while True:
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
                break
            except Empty:
                yield
        self.waited_seconds += time.monotonic() - started
        if item is not _END:
            return item  # type: ignore[return-value]
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Stop reading after the item in hand."""
        self._stop.set()
        self._thread.join()


class WriteBehind(Generic[Item, Kept]):
    """Passes items to `write` in a thread of its own; at most one waits for it."""

    def __init__(self, write: Callable[[Item], Kept]) -> None:
        self._write = write
        self._queue: Queue[object] = Queue(1)
        self._written: SimpleQueue[Kept] = SimpleQueue()
        self._error: BaseException | None = None
        self._ended = False
        self.waited_seconds = 0.0
        self._thread = threading.Thread(
            target=self._run, name="diffir-write", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self._error is not None:
                continue  # What comes after an error is dropped, and the queue drained.
            try:
                self._written.put(self._write(item))  # type: ignore[arg-type]
            except BaseException as error:
                self._error = error
            del item

    def put(self, item: Item) -> Generator[None, None, None]:
        """Hand an item over; wait, yielding now and then, while another waits."""
        started = time.monotonic()
        while True:
            self._raise()
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                break
            except Full:
                yield
        self.waited_seconds += time.monotonic() - started

    def written(self) -> list[Kept]:
        """Give what has been written since the last call."""
        self._raise()
        found = []
        while not self._written.empty():
            found.append(self._written.get())
        return found

    def drain(self) -> Generator[None, None, None]:
        """Wait until everything is written, yielding now and then."""
        started = time.monotonic()
        self.close(wait=False)
        while self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)
            yield
        self.waited_seconds += time.monotonic() - started
        self._raise()

    def close(self, *, wait: bool = True) -> None:
        """Write what was handed over, and no more."""
        while not self._ended and self._thread.is_alive():
            try:
                self._queue.put(_END, timeout=_POLL_SECONDS)
                self._ended = True
            except Full:
                continue
        if wait:
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
