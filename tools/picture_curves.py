"""Draw the losses of all sittings of the shipped models, for docs/models.md.

python tools/picture_curves.py docs/images/curves.png

Each row of a log is the mean loss of fifty steps or a hundred; the line is the running
median of nine rows. Losses of different stages are not comparable, nor are those of
sittings with other noise. Needs matplotlib, of `benchmarks/requirements-quality.txt`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LOGS = Path(__file__).parents[1] / "training" / "recipes" / "shipped" / "logs"
_COLUMNS = 4
_COLOURS = {
    "ground_truth": "tab:green",
    "estimation": "tab:orange",
    "joint": "tab:blue",
}
_ROWS_OF_MEDIAN = 9

Curve = tuple[list[int], list[float]]
"""Steps and losses."""


def main(path: str) -> None:
    """Draw a panel for each log."""
    logs = sorted(LOGS.glob("*.csv"), key=_number)
    rows = -(-len(logs) // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 2.2 * rows), layout="constrained")
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for log, axes in zip(logs, panels, strict=False):
        _draw(axes, log.stem, read(log))
    for axes in panels[len(logs) :]:
        axes.axis("off")
    figure.savefig(path, dpi=80)


def read(log: Path) -> dict[str, Curve]:
    """Give the losses of each stage of a log."""
    curves: dict[str, Curve] = {}
    with log.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            steps, losses = curves.setdefault(row["stage"], ([], []))
            steps.append(int(row["step"]))
            losses.append(float(row["loss"]))
    return curves


def _draw(axes: Axes, title: str, curves: dict[str, Curve]) -> None:
    for stage, (steps, losses) in curves.items():
        colour = _COLOURS[stage]
        median = [np.median(part) for part in _around(losses)]
        axes.plot(steps, losses, ".", color=colour, alpha=0.3, markersize=3)
        axes.plot(steps, median, color=colour, label=stage.replace("_", " "))
    axes.set_title(title, fontsize="medium")
    axes.legend(fontsize="x-small", frameon=False)
    axes.tick_params(labelsize="x-small")


def _around(losses: list[float]) -> list[list[float]]:
    """Give the rows around each one, as many before as after, fewer at the ends."""
    reach = _ROWS_OF_MEDIAN // 2
    near = [min(reach, i, len(losses) - 1 - i) for i in range(len(losses))]
    return [losses[i - n : i + n + 1] for i, n in enumerate(near)]


def _number(log: Path) -> tuple[str, int]:
    """Let a tenth sitting follow the ninth."""
    name, _, number = log.stem.rpartition("-")
    return (name, int(number)) if number.isdigit() else (log.stem, sys.maxsize)


if __name__ == "__main__":
    main(sys.argv[1])
