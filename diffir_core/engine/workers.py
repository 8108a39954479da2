"""Threads that compute beside each other, each with one thread of its own.

Splitting every operation over threads makes them wait for each other thousands of times
a second; on busy cores that costs many times the work itself. Here every thread takes
whole panels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

Result = TypeVar("Result")

_POLL_SECONDS = 0.1
_STARTING = threading.Lock()
"""Torch has one number of threads for all that ask first: 1 while this is held."""


class Cancelled(Exception):
    """Raised inside a task when nobody waits for it any more."""


class Tick(Protocol):
    """Report work done from inside a task."""

    def __call__(self, work: float) -> None:
        """Add `work`; raises `Cancelled` if the run has ended."""


class PauseSwitch:
    """Halts the threads of a run at their next tick, and lets them go on."""

    def __init__(self) -> None:
        self._running = threading.Event()
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether the run is halted."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Halt within a tile; what is in memory stays there."""
        self._running.clear()

    def go_on(self) -> None:
        """Go on where it was halted."""
        self._running.set()

    def wait(self, stop: threading.Event) -> None:
        """Return when the run may go on, or when `stop` is set."""
        while not stop.is_set() and not self._running.wait(_POLL_SECONDS):
            pass


class Workers:
    """A pool of threads; `count` is 1 on devices that parallelise by themselves."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.switch = PauseSwitch()
        self._start_threads(count)

    def limit(self, threads: int) -> None:
        """Take at most so many threads for the work of `count`: same bytes, later."""
        if threads < self.count:
            self.close()
            self._start_threads(max(1, threads))

    def _start_threads(self, started: int) -> None:
        self._pool = ThreadPoolExecutor(started, thread_name_prefix="diffir")
        if self.count > 1:
            with _STARTING:
                _make_single(self._pool, started)

    def run(
        self, tasks: Sequence[Callable[[Tick], Result]]
    ) -> Generator[float, None, list[Result]]:
        """Run all tasks, yield work as it gets done, return results in order.

        Closing the generator stops the tasks at their next tick.
        """
        import torch

        done, lock, stop = [0.0], threading.Lock(), threading.Event()

        def tick(work: float) -> None:
            self.switch.wait(stop)
            if stop.is_set():
                raise Cancelled
            with lock:
                done[0] += work

        def call(task: Callable[[Tick], Result]) -> Result:
            with torch.inference_mode():
                return task(tick)

        finished: SimpleQueue[Future[Result]] = SimpleQueue()
        futures = [self._pool.submit(call, task) for task in tasks]
        for future in futures:
            future.add_done_callback(finished.put)
        try:
            for _ in futures:
                while (ended := _next(finished)) is None:
                    yield _taken(done, lock)
                ended.result()
                yield _taken(done, lock)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        return [future.result() for future in futures]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)


def _next(finished: SimpleQueue[Future[Result]]) -> Future[Result] | None:
    try:
        return finished.get(timeout=_POLL_SECONDS)
    except Empty:
        return None


def _taken(done: list[float], lock: threading.Lock) -> float:
    """Take the work done so far out of `done`."""
    with lock:
        work, done[0] = done[0], 0.0
    return work


def exhaust(steps: Generator[float, None, Result]) -> Result:
    """Run a generator of work to its end and give what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]


def torch_threads() -> int:
    """Give how many threads torch has, not the 1 of threads that start just now."""
    import torch

    with _STARTING:
        return torch.get_num_threads()


def _make_single(pool: ThreadPoolExecutor, started: int) -> None:
    """Let every thread of a new pool compute alone; others keep their number."""
    import torch

    threads, everyone = torch.get_num_threads(), threading.Barrier(started)
    try:
        for future in [pool.submit(_become_single, everyone) for _ in range(started)]:
            future.result()
    finally:  # Torch takes the last number for its default, too.
        torch.set_num_threads(threads)


def _become_single(everyone: threading.Barrier) -> None:
    import torch

    torch.set_num_threads(1)
    everyone.wait()
