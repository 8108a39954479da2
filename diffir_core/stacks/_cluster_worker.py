"""The part of a cluster run that happens in the workers."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from distributed import WorkerPlugin, get_worker

from diffir_core.checkpoint import load_model
from diffir_core.engine.workers import exhaust
from diffir_core.errors import DiffIRError, InputError
from diffir_core.stacks.crew import Errand
from diffir_core.stacks.fingerprint import image_spec, machine_of
from diffir_core.stacks.jobs import RestoreJob
from diffir_core.stacks.journal import differences
from diffir_core.stacks.planning import prepare
from diffir_core.stacks.sink import FileSink, attach_sink
from diffir_core.stacks.source import open_source
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import UnitRecord
from diffir_core.stacks.work import StackWork


class NotWanted(DiffIRError):
    """The driver that asked for a unit has gone, or another has taken over."""


class Station:
    """A worker with the model loaded and both files open: one for all its units.

    Its tasks read, compute and write one at a time each, so that a worker with two or
    three threads reads the next unit and writes the last one while it computes.
    """

    def __init__(self, errand: Errand, threads: int | None) -> None:
        self._errand = errand
        # Also what is not computed by panels depends on it, in its last digits.
        torch.set_num_threads(errand.conditions.threads)
        job = RestoreJob.parse(dict(errand.job))
        model = load_model(job.model)
        job.check_model(model)
        source = open_source(job.input, job.axes)
        self.work: StackWork = prepare(source, model, job.options, errand.conditions)
        self.work.restorer.workers.limit(threads or _cores())
        self._check_machine()
        self._sink: FileSink = attach_sink(
            errand.image, image_spec(self.work, errand.job)
        )
        self._statistics = StackStatistics.from_dict(errand.statistics)
        self._reading, self._computing, self._writing = Lock(), Lock(), Lock()

    def _check_machine(self) -> None:
        if found := differences(dict(self._errand.machine), machine_of(self.work)):
            raise InputError(
                f"it computes otherwise than this process ({'; '.join(found)}), and "
                "would give other last digits; start both on the same kind of machine, "
                "or choose with --device."
            )

    def do(self, number: int) -> UnitRecord:
        """Restore one unit and write it; the files are its own."""
        torch.set_num_threads(self._errand.conditions.threads)
        with self._reading:
            self._check_wanted()
            read = self.work.read(self.work.units[number])
        with self._computing:
            self._check_wanted()
            result = exhaust(self.work.restore(read, self._statistics))
        with self._writing:
            self._check_wanted()
            planes = zip(result.unit.planes, result.planes, strict=True)
            return result.record([self._sink.write(*plane) for plane in planes])

    def _check_wanted(self) -> None:
        """Stop if the driver has: another may be writing the same files by now."""
        found = None
        with suppress(OSError):
            found = self._errand.pass_file.read_text(encoding="utf-8")
        if found != self._errand.token:
            raise NotWanted("the run has ended, or another process has taken over.")

    def close(self) -> None:
        """Let the threads and the source go."""
        self.work.restorer.workers.close()
        self.work.source.close()


@dataclass
class Posting(WorkerPlugin):  # type: ignore[misc]
    """Gives every worker, also one that comes later, its station when first needed."""

    errand: Errand
    threads: int | None
    """That compute at once; None is the cores of the worker."""
    _places: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the plugin is registered under."""
        return f"diffir-{self.errand.token}"

    def setup(self, worker: Any) -> None:
        """Note the worker; nothing slow happens in its event loop."""
        self._places = {"lock": Lock(), "address": worker.address}

    def station(self) -> Station:
        """Give the station of this worker."""
        with self._places["lock"]:
            if "station" not in self._places:
                self._places["station"] = self._opened()
            found: Station = self._places["station"]
            return found

    def _opened(self) -> Station:
        try:
            return Station(self.errand, self.threads)
        except (DiffIRError, OSError) as error:
            raise InputError(
                f"Worker {self._places['address']} cannot take part: {error} (Workers "
                "need input, output and model under the same paths.)"
            ) from error

    def teardown(self, worker: Any) -> None:
        """Close what is open."""
        if station := self._places.pop("station", None):
            station.close()


def do_unit(name: str, number: int) -> UnitRecord:
    """Do one unit; runs in a worker."""
    posting: Posting = get_worker().plugins[name]
    return posting.station().do(number)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
