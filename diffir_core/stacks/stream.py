"""The one way from a source to a sink: read ahead, restore, write behind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from diffir_core.engine.workers import PauseSwitch
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import RestoreReport
from diffir_core.stacks.crew import Crew, Errand
from diffir_core.stacks.ledger import Ledger, MemoryLedger
from diffir_core.stacks.ordering import InOrder, UnitOrder
from diffir_core.stacks.pipeline import ReadAhead, WriteBehind
from diffir_core.stacks.planning import prepare
from diffir_core.stacks.progress import RestoreProgress, Tracker
from diffir_core.stacks.reporting import Timing, report_of
from diffir_core.stacks.sink import StackSink
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.statistics import StackStatistics, measure_steps
from diffir_core.stacks.units import Unit, UnitRecord, UnitValues
from diffir_core.stacks.work import StackWork

__all__ = ["RestoreProgress", "Run", "crew_steps", "restore_planes", "run_work"]

Steps = Generator[RestoreProgress, None, None]
Away = Callable[[StackWork, "Run", StackStatistics, Tracker], Steps]


@dataclass(frozen=True)
class Run:
    """How a run goes, beside what it computes: nothing here changes a pixel."""

    ledger: Ledger = field(default_factory=MemoryLedger)
    order: UnitOrder = field(default_factory=InOrder)
    switch: PauseSwitch = field(default_factory=PauseSwitch)
    away: Away | None = None
    """Does the units elsewhere; None is in this process."""


def restore_planes(
    source: StackSource,
    sink: StackSink,
    model: Model,
    options: RestoreOptions,
    run: Run | None = None,
) -> Generator[RestoreProgress, None, RestoreReport]:
    """Restore every plane of `source` into `sink`; return the report.

    Closing the generator stops within one tile.
    """
    return (yield from run_work(prepare(source, model, options), sink, run or Run()))


def run_work(
    work: StackWork, sink: StackSink, run: Run
) -> Generator[RestoreProgress, None, RestoreReport]:
    """Do the units that the ledger does not have, and finish the sink."""
    timing, tracker = Timing(), Tracker(work, run.ledger)
    work.restorer.workers.switch = run.switch
    statistics = yield from _statistics(work, run.ledger, tracker)
    timing.first_pass_done()
    if run.away:
        yield from run.away(work, run, statistics, tracker)
    else:
        yield from _do_units(work, sink, run, statistics, tracker, timing)
    here = run.away is None
    report = report_of(work, run.ledger, statistics, timing, was_here=here)
    yield tracker.now("finishing")
    sink.finish(report, run.ledger)
    return report


def _statistics(
    work: StackWork, ledger: Ledger, tracker: Tracker
) -> Generator[RestoreProgress, None, StackStatistics]:
    yield tracker.now("measuring")
    if ledger.statistics is not None:
        return ledger.statistics
    steps = measure_steps(work.source, work.restored_planes, work.restorer)
    with closing(steps):
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                found: StackStatistics = finished.value
                break
            yield tracker.now("measuring")
    ledger.keep_statistics(found)
    return found


def _do_units(
    work: StackWork,
    sink: StackSink,
    run: Run,
    statistics: StackStatistics,
    tracker: Tracker,
    timing: Timing,
) -> Steps:
    def write(values: UnitValues) -> UnitRecord:
        planes = zip(values.unit.planes, values.planes, strict=True)
        record = values.record([sink.write(*plane) for plane in planes])
        run.ledger.record(record)
        return record

    reading = ReadAhead(_read(work, run))
    writing: WriteBehind[UnitValues, UnitRecord] = WriteBehind(write)
    try:
        yield from _loop(work, statistics, tracker, reading, writing)
    finally:
        # Also when cancelled: what is restored is worth writing.
        reading.close()
        writing.close()
        timing.waited(reading.waited_seconds + writing.waited_seconds)
    yield from tracker.written(writing.written())


def _loop(
    work: StackWork,
    statistics: StackStatistics,
    tracker: Tracker,
    reading: ReadAhead[UnitValues],
    writing: WriteBehind[UnitValues, UnitRecord],
) -> Steps:
    while True:
        read = yield from _watching(reading.take(), tracker, writing)
        if read is None:
            break
        steps = work.restore(read, statistics)
        del read
        result = yield from _restoring(steps, tracker, writing)
        yield from _watching(writing.put(result), tracker, writing)
        del result
    yield from _watching(writing.drain(), tracker, writing)


def _read(work: StackWork, run: Run) -> Iterator[UnitValues]:
    """Read the units that are left, in the order that is asked for."""
    remaining = _left(work, run)
    while remaining:
        yield work.read(remaining.pop(run.order.choose(remaining)))


def _restoring(
    steps: Generator[float, None, UnitValues],
    tracker: Tracker,
    writing: WriteBehind[UnitValues, UnitRecord],
) -> Generator[RestoreProgress, None, UnitValues]:
    try:
        while True:
            try:
                fraction = next(steps)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            yield from tracker.written(writing.written())
            yield tracker.within_unit(fraction)
    finally:
        steps.close()


def _watching(
    waiting: Generator[None, None, UnitValues | None] | Generator[None, None, None],
    tracker: Tracker,
    writing: WriteBehind[UnitValues, UnitRecord],
) -> Generator[RestoreProgress, None, UnitValues | None]:
    """Wait, and say meanwhile what has been written."""
    while True:
        try:
            next(waiting)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]
        yield from tracker.written(writing.written())
        yield tracker.within_unit(0.0)


def crew_steps(
    crew: Crew,
    errand_of: Callable[[StackStatistics], Errand],
    work: StackWork,
    run: Run,
    statistics: StackStatistics,
    tracker: Tracker,
) -> Steps:
    """Let other processes do the units that are left; record what they send back."""
    left = _left(work, run)
    if not left:
        return
    doing = crew.do(errand_of(statistics), left, run.order)
    try:
        record = next(doing)
        while True:
            if record is not None:
                run.ledger.record(record)
                yield from tracker.written([record])
            yield tracker.within_unit(0.0)
            record = doing.send(run.switch.paused)
    except StopIteration:
        return
    finally:
        doing.close()


def _left(work: StackWork, run: Run) -> list[Unit]:
    return [unit for unit in work.units if unit.number not in run.ledger.done]
