"""The units of a stack on the workers of a dask.distributed cluster.

The driver lays the image out, measures what is global, hands out units and alone writes
the journal, from the records that the workers send back when a unit is on the disk. A
worker that dies takes with it what it had in hand, which others do again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_core.stacks.crew import Errand
from diffir_core.stacks.durability import write_text
from diffir_core.stacks.ordering import UnitOrder
from diffir_core.stacks.units import Unit, UnitRecord

if TYPE_CHECKING:
    from distributed import Client, Future

_POLL_SECONDS = 0.1
_SPARE_UNITS = 1
_RETRIES = 2
_CONNECT_SECONDS = 30
_GONE = "The scheduler is gone; start it again and pass --resume."

logger = logging.getLogger(__name__)


class ClusterCrew:
    """The workers of a cluster; see `Crew`."""

    def __init__(self, client: Client, processes_here: int = 1) -> None:
        self.client, self.processes_here = client, processes_here
        cores = os.cpu_count() or 1
        self._threads = max(1, cores // processes_here) if processes_here > 1 else None

    def do(
        self, errand: Errand, units: list[Unit], order: UnitOrder
    ) -> Generator[UnitRecord | None, bool | None, None]:
        """See `Crew`."""
        from diffir_core.stacks._cluster_worker import Posting

        posting = Posting(errand, self._threads)
        write_text(errand.pass_file, errand.token)
        try:
            with _reached(self.client):
                self.client.register_plugin(posting)
            yield from _Handing(self.client, posting.name).out(units, order)
        finally:
            errand.pass_file.unlink(missing_ok=True)  # Whoever still works, stops.
            with suppress(Exception):  # The cluster may have gone.
                self.client.unregister_worker_plugin(posting.name)


class _Handing:
    """Hands units out, never many more than there are hands."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name
        self._at_work: dict[str, Future] = {}
        self._finished: SimpleQueue[Future] = SimpleQueue()
        self._told_of_none = False

    def out(
        self, units: list[Unit], order: UnitOrder
    ) -> Generator[UnitRecord | None, bool | None, None]:
        remaining, paused = list(units), False
        try:
            while remaining or self._at_work:
                while remaining and not paused and len(self._at_work) < self._hands():
                    self._hand(remaining.pop(order.choose(remaining)))
                paused = bool((yield self._next()))
        finally:
            with suppress(Exception):  # The cluster may have gone.
                self._client.cancel(list(self._at_work.values()))

    def _hands(self) -> int:
        """Count the threads of the workers that there are now; some may have come."""
        with _reached(self._client):
            threads: list[int] = list(self._client.nthreads().values())
        if not threads and not self._told_of_none:
            self._told_of_none = True
            logger.warning("The scheduler has no worker; the run waits for one.")
        return max(1, sum(threads) + _SPARE_UNITS * len(threads))

    def _hand(self, unit: Unit) -> None:
        from diffir_core.stacks._cluster_worker import do_unit

        with _reached(self._client):
            future = self._client.submit(
                do_unit,
                self._name,
                unit.number,
                key=f"{self._name}-unit-{unit.number}",
                pure=False,
                retries=_RETRIES,
            )
        self._at_work[future.key] = future
        future.add_done_callback(self._finished.put)

    def _next(self) -> UnitRecord | None:
        try:
            future = self._finished.get(timeout=_POLL_SECONDS)
        except Empty:
            return None
        del self._at_work[future.key]
        return _result(future)


def _result(future: Future) -> UnitRecord:
    from distributed import CancelledError, KilledWorker

    try:
        record: UnitRecord = future.result()
    except CancelledError as error:  # Nobody else cancels what is waited for.
        raise InputError(_GONE) from error
    except KilledWorker as error:
        raise InputError(
            "Several workers died over the same planes, probably of too little memory; "
            "pass --memory (of one worker) or start fewer, then --resume."
        ) from error
    return record


@contextmanager
def _reached(client: Client) -> Iterator[None]:
    """Ask something of the scheduler; that nobody answers is no fault of a disk."""
    try:
        yield
    except Exception as error:
        if client.status == "running" and not isinstance(error, OSError):
            raise
        raise InputError(_GONE) from error


@contextmanager
def connected_crew(scheduler: str) -> Iterator[ClusterCrew]:
    """Give the workers of a running cluster.

    Parameters
    ----------
    scheduler
        Its address, such as ``"tcp://node7:8786"``. Workers need napari-diffir, and
        input, output and model under the same paths as this process.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No scheduler answers at '{scheduler}' ({error}); give the address that "
            "`dask scheduler` printed, such as tcp://node7:8786."
        ) from error
    with client:
        yield ClusterCrew(client)


@contextmanager
def local_crew(workers: int) -> Iterator[ClusterCrew]:
    """Start worker processes on this machine, and end them afterwards.

    Scripts need ``if __name__ == "__main__":`` around this, as always with processes.

    Parameters
    ----------
    workers
        How many; with several GPUs, as many as there are, and each has one of its own.
    """
    if workers < 1:
        raise InputError(f"{workers} workers cannot work; start at least 1.")
    distributed = _distributed()
    from diffir_core.stacks._cluster_local import local_cluster

    before = dict(os.environ)
    try:
        with local_cluster(workers) as cluster, distributed.Client(cluster) as client:
            client.wait_for_workers(workers)
            _undo_changes(before)
            yield ClusterCrew(client, workers)
    finally:
        _undo_changes(before)


def _undo_changes(environment: dict[str, str]) -> None:
    """Undo what distributed sets in this process for the workers it starts.

    Other processes that are started from here would have one thread, too.
    """
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "Clusters need dask.distributed, which is not installed: "
            "pip install napari-diffir[cluster]."
        ) from error
    return distributed
