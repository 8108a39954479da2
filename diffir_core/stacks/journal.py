"""The ledger on disk: one line a fact, each with its own checksum.

A line that a crash has cut, or a disk has damaged, is no line: what it said is done
again. Nothing that the ledger says of pixels is believed before they are read back, so
that neither it nor they need to reach the disk in any order.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from diffir_core.errors import InputError
from diffir_core.stacks.durability import write_text
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import UnitRecord

FORMAT = "diffir-journal/2"


class Journal:
    """What has been done of one output; see `Ledger`."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._path, self.header = path, header
        self.statistics: StackStatistics | None = None
        self.done: dict[int, UnitRecord] = {}
        self.is_laid_out = False
        """Whether the empty image was complete; if not, no unit can be."""

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Begin a journal; it is there with its header or not at all."""
        full = {"format": FORMAT, **header}
        write_text(path, _line({"header": full}))
        return cls(path, full)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a journal, and mend its end so that it can be continued.

        Raises
        ------
        InputError
            If the header is damaged: then nothing says what the output was to become.
        """
        facts = list(_facts(path))
        header = facts[0].get("header") if facts else None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise InputError(
                f"The journal {path} is damaged at its beginning, or one of another "
                "version, so that the run cannot be resumed; pass --overwrite to start "
                "anew."
            )
        journal = cls(path, header)
        for fact in facts[1:]:
            journal._take(fact)
        return journal

    def _take(self, fact: dict[str, Any]) -> None:
        if "statistics" in fact:
            self.statistics = StackStatistics.from_dict(fact["statistics"])
        elif "unit" in fact:
            record = _record(fact["unit"])
            self.done[record.number] = record
        elif "laid_out" in fact:  # What was written before is gone.
            self.is_laid_out, self.done = True, {}

    def keep_statistics(self, statistics: StackStatistics) -> None:
        """See `Ledger`."""
        self.statistics = statistics
        self._append({"statistics": statistics.to_dict()})

    def lay_out(self) -> None:
        """Remember that the empty image is complete, and that no unit is done."""
        self.is_laid_out, self.done = True, {}
        self._append({"laid_out": True})

    def record(self, record: UnitRecord) -> None:
        """See `Ledger`."""
        self._append({"unit": asdict(record)})
        self.done[record.number] = record

    def _append(self, fact: dict[str, Any]) -> None:
        # One call: a line is there, or cut, but never mixed with another. It begins
        # with a line's end, lest it be glued to what a crash has left of one.
        line = "\n" + _line(fact)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            written = os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
        if written < len(line):
            raise OSError(f"The journal {self._path} could not be written; disk full?")


def _line(fact: dict[str, Any]) -> str:
    text = json.dumps(fact)
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def _facts(path: Path) -> Iterator[dict[str, Any]]:
    """Give the facts of all undamaged lines; a damaged first line ends it."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            stated, _, text = line.rstrip(b"\n").partition(b" ")
            if stated == b"%08x" % zlib.crc32(text) and text:
                yield json.loads(text)
            elif number == 0:
                return


def _record(values: Mapping[str, Any]) -> UnitRecord:
    return UnitRecord(
        number=int(values["number"]),
        read=tuple(values["read"]),
        written=tuple(tuple(sums) for sums in values["written"]),
        clipped=int(values["clipped"]),
        tiles=int(values["tiles"]),
        iprs=tuple(values["iprs"]),
    )


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Name what differs between two headers, such as 'options.seed was 0 and is 3'."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        found = []
        for key in [*before, *(key for key in now if key not in before)]:
            part = f"{name}.{key}" if name else str(key)
            found += differences(before.get(key), now.get(key), part)
        return found
    if before == now:
        return []
    return [f"{name} was {_short(before)} and is {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]}…"
