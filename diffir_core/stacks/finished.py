"""A finished output: what it was made of, and whether that is what is asked for now."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from diffir_core._base import FrozenConfig
from diffir_core.errors import OutputExistsError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.report import RestoreReport
from diffir_core.settled import settle
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.fingerprint import input_of
from diffir_core.stacks.journal import differences
from diffir_core.stacks.ledger import Ledger
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.provenance import provenance
from diffir_core.stacks.sink import StackSink
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.units import checksum


class InputRecord(FrozenConfig):
    """What an output was made of; not its name: files are moved."""

    axes: str
    shape: tuple[int, ...]
    type: str
    checksum: str
    """Of the values of all planes, in their order."""


class FileReport(RestoreReport):
    """The report that a file carries."""

    input: InputRecord


class ReportingSink:
    """A sink whose report says what it was made of."""

    def __init__(self, sink: StackSink, source: StackSource) -> None:
        self._sink, self._source = sink, source
        self._report: FileReport | None = None

    @property
    def finished_report(self) -> FileReport:
        """The report; the sink must have been finished."""
        if self._report is None:
            raise RuntimeError("The sink has not been finished.")
        return self._report

    def write(self, plane: PlaneIndex, values: NDArray[Any]) -> tuple[int, ...]:
        """See `StackSink`."""
        return self._sink.write(plane, values)

    def finish(self, report: RestoreReport, ledger: Ledger) -> None:
        """See `StackSink`; every plane has been read by now."""
        read = (sum_ for n in sorted(ledger.done) for sum_ in ledger.done[n].read)
        record = {**input_of(self._source), "checksum": _together(read)}
        self._report = FileReport.parse({**dict(report), "input": record})
        self._sink.finish(self._report, ledger)


def finished_steps(
    path: Path, source: StackSource, model: Model, options: RestoreOptions | None
) -> Generator[RestoreProgress, None, FileReport]:
    """Read the input of a finished output again; give its report if all is the same.

    Raises
    ------
    OutputExistsError
        If it is another's output, or model, options (None is its own) or input differ.
    """
    report = _report(path)
    if report is None or report.model_fingerprint != model.fingerprint:
        raise OutputExistsError(
            f"{path} is already there, and not by this model; choose another name or "
            "pass --overwrite."
        )
    wanted = options or RestoreOptions.parse(report.options)
    asked = wanted.model_dump(mode="json")
    _check_same(path, differences(report.options, asked, "options"))
    settled = settle(model.card, wanted).model_dump(mode="json")
    was = {name: getattr(report, name) for name in settled}
    _check_same(path, differences(was, settled, "model"))
    known = report.input.model_dump(mode="json", exclude={"checksum"})
    _check_same(path, differences(known, input_of(source), "input"))
    found = yield from _checksum(source, model)
    if found != report.input.checksum:
        raise OutputExistsError(
            f"The input has changed since {path} was finished: values differ; choose "
            "another name or pass --overwrite."
        )
    return report


def _report(path: Path) -> FileReport | None:
    """Give the report of a whole output of ours, or None."""
    try:
        found = provenance(path)
        return FileReport.parse(found) if found else None
    except Exception:  # Readers complain of what is not theirs in many ways.
        return None


def _check_same(path: Path, changes: list[str]) -> None:
    if changes:
        raise OutputExistsError(
            f"{path} is already there, finished with other options or of another "
            f"input: {'; '.join(changes)}. Choose another name or pass --overwrite."
        )


def _checksum(
    source: StackSource, model: Model
) -> Generator[RestoreProgress, None, str]:
    planes = source.layout.planes(model.config.image_channels)
    sums: list[int] = []
    for plane in planes:
        share = len(sums) / len(planes)
        yield RestoreProgress(len(sums), len(planes), share, None, phase="checking")
        sums.append(checksum(source.read(plane)))
    yield RestoreProgress(len(sums), len(planes), 1.0, None, phase="checking")
    return _together(sums)


def _together(sums: Iterable[int]) -> str:
    """Give one checksum of those of all planes; units may be cut in any way."""
    digest = hashlib.sha256()
    for number in sums:
        digest.update(number.to_bytes(4, "little"))
    return digest.hexdigest()
