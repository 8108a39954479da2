"""What a training run keeps in its folder: curves, pictures, a checkpoint."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Points = tuple[tuple[int, float], ...]
"""A curve: (step, value), by ascending step."""


def holds_run(folder: Path) -> bool:
    """Tell whether a run in this folder can be gone on from."""
    return (folder / "state.pt").is_file() and (folder / "recipe.yaml").is_file()


def new_folder(parent: Path) -> Path:
    """Give the first of run-1, run-2, ... that is not there yet; make nothing."""
    number = 1
    while (parent / f"run-{number}").exists():
        number += 1
    return parent / f"run-{number}"


def newest_preview(folder: Path) -> Path | None:
    """Give the last picture of input, restored and reference, if there is one."""
    return max((folder / "previews").glob("*.png"), default=None)


@dataclass(frozen=True, slots=True)
class Measurement:
    """How good the network was on held-back images."""

    stage: str
    step: int
    psnr_db: float
    input_psnr_db: float
    """Of the noisy images themselves."""
    is_best: bool
    """Whether `best.safetensors` was written then."""


def measurements(folder: Path) -> list[Measurement]:
    """Read what was measured in a run, in the order of time."""
    return [
        Measurement(
            row["stage"],
            int(row["step"]),
            float(row["psnr_db"]),
            float(row["input_psnr_db"]),
            row["is_best"] == "True",
        )
        for row in _rows(folder / "validation.csv")
    ]


@dataclass(frozen=True, slots=True)
class History:
    """What the files of a run say about its past."""

    stage: str
    stage_start: int
    """Steps that had been taken when this stage began."""
    losses: Points
    psnrs_db: Points
    input_psnr_db: float


def history(folder: Path) -> History:
    """Read the curves of a run; empty ones if it has none yet."""
    reports, measured = _rows(folder / "log.csv"), measurements(folder)
    stage = reports[-1]["stage"] if reports else ""
    before = [int(row["step"]) for row in reports if row["stage"] != stage]
    return History(
        stage,
        max(before, default=0),
        _curve((int(row["step"]), float(row["loss"])) for row in reports),
        _curve((one.step, one.psnr_db) for one in measured),
        measured[-1].input_psnr_db if measured else float("nan"),
    )


def extended(points: Points, step: int, value: float) -> Points:
    """Add a point; points at or after its step, from before a resume, are dropped."""
    return (*(point for point in points if point[0] < step), (step, value))


def _curve(values: Iterable[tuple[int, float]]) -> Points:
    points: Points = ()
    for step, value in values:
        points = extended(points, step, value)
    return points


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if _is_whole(row)]


def _is_whole(row: dict[str | None, str | None]) -> bool:
    """Tell whether a line has its values, and no others: a kill may have torn it."""
    return None not in row and not {None, ""}.intersection(row.values())
