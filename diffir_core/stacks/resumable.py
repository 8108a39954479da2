"""A run into a file: begun, interrupted and resumed, while what is done stays."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import yaml

from diffir_core.engine.workers import PauseSwitch
from diffir_core.errors import InputError
from diffir_core.stacks.checking import check_done, check_room, storage_error
from diffir_core.stacks.crew import Crew, Errand
from diffir_core.stacks.durability import write_text
from diffir_core.stacks.fingerprint import header_of, machine_of
from diffir_core.stacks.finished import FileReport, ReportingSink
from diffir_core.stacks.journal import Journal, differences
from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.ordering import UnitOrder
from diffir_core.stacks.progress import RestoreProgress, Tracker
from diffir_core.stacks.sink import FileSink, attach_sink, create_sink
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.stream import Run, crew_steps, run_work
from diffir_core.stacks.unfinished import Unfinished
from diffir_core.stacks.work import StackWork

Steps = Generator[RestoreProgress, None, FileReport]


@dataclass(frozen=True)
class FileRun:
    """A stack that is restored into a file; see `restore_file_steps`."""

    source: StackSource
    work: StackWork
    spec: ImageSpec
    place: Unfinished
    journal: Journal | None
    """Of the run that is resumed."""

    def check_same(self) -> None:
        """Refuse to resume with another input, model or options."""
        if self.journal is None:
            return
        before = {k: v for k, v in self.journal.header.items() if k != "format"}
        if found := differences(before, header_of(self.work)):
            raise InputError(
                f"{self.place.destination.name} was begun with other settings: "
                f"{'; '.join(found)}. Resume with the old ones, or pass --overwrite to "
                "start anew."
            )

    def open(self) -> tuple[FileSink, Journal]:
        """Open the image and the journal, or begin them."""
        self.place.wanted_by.unlink(missing_ok=True)  # Workers of a run that died.
        if self.journal is None:
            self.place.clear()
        journal = self.journal or Journal.create(
            self.place.journal, header_of(self.work)
        )
        write_text(self.place.job, yaml.safe_dump(self.spec.job, sort_keys=False))
        if journal.is_laid_out:
            try:
                return attach_sink(self.place.image, self.spec), journal
            except Exception as error:  # Readers complain in many ways.
                if _may_pass(error):
                    raise
                journal.is_laid_out = False  # Damaged beyond use: begin again.
        sink = create_sink(self.place.image, self.spec)
        journal.lay_out()
        return sink, journal

    def steps(
        self, order: UnitOrder, switch: PauseSwitch, crew: Crew | None = None
    ) -> Steps:
        """Do what is left; what is done stays, whatever happens."""
        total = len(self.work.units)
        before = len(self.journal.done) if self.journal else 0
        check_room(self.work, self.place.destination, 1 - before / total)
        journal = self.journal
        try:
            sink, journal = self.open()
            tracker = Tracker(self.work, journal)
            for number, _ in enumerate(check_done(self.work, sink, journal), 1):
                yield tracker.checked(number / before)
            away = partial(crew_steps, crew, self._errand) if crew else None
            run = Run(journal, order, switch, away)
            reporting = ReportingSink(sink, self.work.source)
            yield from run_work(self.work, reporting, run)
        except OSError as error:
            raise storage_error(error, self.work, journal) from error
        finally:
            nothing_is_lost = self.journal is None and not (journal and journal.done)
            if nothing_is_lost:
                self.place.remove()
        self.place.move_into_place()
        return reporting.finished_report

    def _errand(self, statistics: StackStatistics) -> Errand:
        return Errand(
            self.spec.job,
            self.work.conditions,
            machine_of(self.work),
            statistics.to_dict(),
            self.place.image.resolve(),
            self.place.wanted_by.resolve(),
            uuid4().hex,
        )


def _may_pass(error: Exception) -> bool:
    """Tell an error of the disk or network from a damaged file."""
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
