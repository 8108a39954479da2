"""Who belongs to whom: by what the stars of two patterns matched, or by a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diffir_core.errors import InputError
from diffir_training.images._files import Found, matching_images
from diffir_training.images.pairing_checks import (
    check_columns,
    check_partners,
    checked_number,
)


@dataclass(frozen=True, slots=True)
class Partners:
    """A noisy file and its clean one; the target is ``gain * clean + offset``."""

    noisy: Path
    clean: Path
    gain: float = 1.0
    offset: float = 0.0


def partners_by_name(folder: Path, noisy: str, clean: str) -> list[Partners]:
    """Match the files of two patterns: what their stars stand for must be equal.

    Several noisy files may share a clean one, if they differ where the pattern has
    ``?``. Clean files that nobody asks for are left out.
    """
    found = matching_images(folder, noisy)
    clean_of = by_stars(matching_images(folder, clean), clean)
    check_partners([n.path for n in found if n.stars not in clean_of], clean)
    return [Partners(n.path, clean_of[n.stars]) for n in found]


def by_stars(found: Iterable[Found], pattern: str) -> dict[tuple[str, ...], Path]:
    """Look files up by what the stars stand for, which must tell them apart."""
    paths: dict[tuple[str, ...], Path] = {}
    for one in found:
        if one.stars in paths:
            raise InputError(
                f"{paths[one.stars]} and {one.path} have the same name for the stars "
                f"of '{pattern}'; leave one out or write a narrower pattern."
            )
        paths[one.stars] = one.path
    return paths


def partners_in_table(table: Path) -> list[Partners]:
    """Read a CSV with the columns noisy and clean, and optionally gain and offset.

    Names are relative to the folder of the table.
    """
    rows = _rows(table)
    check_columns(table, rows[0], ("noisy", "clean"), "gain", "offset")
    return [_partners(table, i, row) for i, row in enumerate(rows, start=2)]


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restkey="", restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {table} cannot be read ({error}).") from error
    if not rows:
        raise InputError(f"{table} has no row of a pair; write one for each pair.")
    return rows


def _partners(table: Path, line: int, row: Mapping[str, str]) -> Partners:
    where = f"{table.name}, line {line}"
    return Partners(
        _named(table, row["noisy"], "noisy", where),
        _named(table, row["clean"], "clean", where),
        checked_number(row.get("gain", "1"), "gain", where, positive=True),
        checked_number(row.get("offset", "0"), "offset", where, positive=False),
    )


def _named(table: Path, name: str, column: str, where: str) -> Path:
    path = table.parent / name.strip()
    if not name.strip() or not path.exists():
        raise InputError(
            f"{where}: the {column} file '{name}' is not below {table.parent}; mend "
            "the table or add the file."
        )
    return path
