"""Restore on workers: wall time against one process, and what a large stack costs.

``python benchmarks/cluster.py`` restores a small stack in one process of two threads,
on one worker and on two workers of one thread each; it also measures compression and
the disk.
``python benchmarks/cluster.py --cost --terabytes 10 --workers 32 --ns-per-pixel 50``
computes time, network and storage from those figures; the rate has to be given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from streaming import tiny_model, write_input

import diffir_core as diffir
from diffir_core.stacks.cluster import local_crew
from diffir_core.stacks.durability import sync_tree

BYTES_PER_PIXEL = 2
PYRAMID = 4 / 3


def folder_bytes(folder: Path) -> int:
    """Give the size of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run(way: str, a: argparse.Namespace) -> dict[str, Any]:
    """Restore in one way, in this process; starting workers is not timed."""
    model = diffir.load_model(a.model)
    options = diffir.RestoreOptions(memory="1GB")
    workers = {"one process": 0, "1 worker": 1, "2 workers": 2}[way]
    torch.set_num_threads(1 if workers else 2)
    output = Path(a.folder, f"{workers}.ome.zarr")
    if not workers:
        report, seconds = timed(
            lambda: diffir.restore_file(a.input, output, model, options=options)
        )
    else:
        with local_crew(workers) as crew:
            report, seconds = timed(
                lambda: diffir.restore_file(
                    a.input, output, model, options=options, crew=crew
                )
            )
    pixels = a.planes * a.side**2
    return {
        "way": way,
        "seconds": round(seconds, 2),
        "ns_per_pixel": round(1e9 * seconds / pixels, 1),
        "output_bytes_per_pixel": round(folder_bytes(output) / pixels, 3),
        "planes": report.planes,
    }


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Give a result and the seconds it took."""
    started = time.monotonic()
    result = call()
    return result, time.monotonic() - started


def disk(folder: Path, megabytes: int = 256) -> dict[str, Any]:
    """Write files of 4 MB until they are on the disk."""
    place, block = folder / "disk", os.urandom(4_000_000)
    place.mkdir()

    def write() -> None:
        for number in range(megabytes // 4):
            (place / str(number)).write_bytes(block)
        sync_tree(place)

    _, seconds = timed(write)
    return {"way": "disk, written", "MB_per_s": round(megabytes / seconds, 1)}


def compare(a: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all ways, each in a process of its own, over one TIFF."""
    with tempfile.TemporaryDirectory() as name:
        a.folder, a.input = name, str(Path(name, "in.ome.tif"))
        a.model = tiny_model(Path(name)) if a.model == "tiny" else a.model
        write_input(Path(a.input), a.planes, a.side)
        found = []
        for way in ("one process", "1 worker", "2 workers"):
            command = [sys.executable, __file__, "--way", way]
            for key in ("folder", "input", "model", "planes", "side"):
                command += [f"--{key}", str(getattr(a, key))]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
        return [*found, disk(Path(name))]


def cost(a: argparse.Namespace) -> list[tuple[str, str]]:
    """Compute what a stack costs; bytes per pixel are of the output with its levels."""
    pixels = a.terabytes * 1e12 / BYTES_PER_PIXEL
    compute = pixels * a.ns_per_pixel * 1e-9 / a.workers
    read, written = a.terabytes * 1e12, pixels * a.output_bytes_per_pixel
    seconds = max(compute, (read + written) / (a.storage_mb_per_s * 1e6))
    rate = (read + written) / seconds / 1e6
    shards = pixels / a.side**2
    return [
        ("pixels", f"{pixels:.3g}"),
        ("computing", f"{compute / 3600:.1f} h on {a.workers} workers"),
        (
            "reading and writing",
            f"{(read + written) / a.storage_mb_per_s / 3.6e9:.1f} h",
        ),
        ("wall time, the longer of both", f"{seconds / 3600:.1f} h"),
        ("read, through the network", f"{read / 1e12:.2f} TB"),
        ("written, through the network", f"{written / 1e12:.2f} TB"),
        ("the same without compression", f"{pixels * 2 * PYRAMID / 1e12:.2f} TB"),
        ("network and storage, mean", f"{rate:.0f} MB/s"),
        ("of it a worker", f"{rate / a.workers:.1f} MB/s"),
        ("shards of the finest level", f"{shards:.3g}"),
    ]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planes", type=int, default=8)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--model", default="fluo-denoise", help="or 'tiny'")
    parser.add_argument("--save", default="cluster.json")
    parser.add_argument("--cost", action="store_true", help="compute, do not measure")
    parser.add_argument("--terabytes", type=float, default=10, help="of uint16 pixels")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--ns-per-pixel", type=float, help="of one worker")
    parser.add_argument("--output-bytes-per-pixel", type=float, default=2 * PYRAMID)
    parser.add_argument("--storage-mb-per-s", type=float, default=1000)
    for name in ("way", "folder", "input"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.way:
        return print(json.dumps(run(a.way, a)))
    if a.cost:
        if a.ns_per_pixel is None:
            parser.error("give --ns-per-pixel, as benchmarks measured it for a worker")
        for line in cost(a):
            print(f"{line[0]:32}{line[1]}")
        return None
    found = compare(a)
    Path(a.save).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for figures in found:
        print(figures)
    return None


if __name__ == "__main__":
    main()
