"""Write the pairs of W2S as a table that a recipe can name (`data.images.table`).

    python benchmarks/w2s_table.py DATA/train/paired/w2s runs/w2s.csv [--pairs N]

Those in the folder, that is; the list names those of the test set, too. The target is
``gain * clean + offset``: both sides were stretched separately.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--pairs", type=int, help="the first ones; default all")
    options = parser.parse_args()
    options.table.parent.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    with (folder / "w2s_pairs.csv").open(newline="", encoding="utf-8") as given:
        rows = [row for row in csv.DictReader(given) if _noisy(folder, row).exists()]
    with options.table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("noisy", "clean", "gain", "offset"))
        writer.writerows(_line(folder, row) for row in rows[: options.pairs])


def _line(folder: Path, row: dict[str, str]) -> tuple[Path | str, ...]:
    noisy = _noisy(folder, row)
    clean = folder / "gt_avg400" / noisy.name
    return noisy, clean, row["scale_gt_to_noisy"], row["offset_gt_to_noisy"]


def _noisy(folder: Path, row: dict[str, str]) -> Path:
    return folder / "noisy_avg1" / f"w2s_{int(row['fov']):03d}_c{row['channel']}.tif"


if __name__ == "__main__":
    main()
