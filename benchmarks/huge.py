"""Restore one huge plane within a memory budget, and print time and peak memory.

Run ``python benchmarks/huge.py --side 16384 --memory 4GB``. The plane is made of
mirrored copies of the bundled real stack; temporary files go to TMPDIR.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.samples import sample_path
from diffir_core.stacks.sink import ArraySink
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.stream import restore_planes


def huge_plane(side: int) -> NDArray[np.uint16]:
    """Give a (side, side) mosaic of a real plane, mirrored at every seam."""
    plane = tifffile.imread(sample_path("noisy"))[8]
    pair = np.hstack([plane, plane[:, ::-1]])
    tile = np.vstack([pair, pair[::-1]])
    out = np.empty((side, side), plane.dtype)
    height, width = tile.shape
    for y in range(0, side, height):
        for x in range(0, side, width):
            part = out[y : y + height, x : x + width]
            part[...] = tile[: part.shape[0], : part.shape[1]]
    return out


def peak_bytes() -> int:
    """Give the largest resident memory of this process so far."""
    # Not ru_maxrss, which a process inherits from the one that started it.
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(x.split()[1]) for x in file if x.startswith("VmHWM")) * 1024


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--save", help="write the result as .npy")
    arguments = parser.parse_args()
    plane, model = huge_plane(arguments.side), diffir.load_model(arguments.model)
    options = diffir.RestoreOptions(memory=arguments.memory)
    before, started = peak_bytes(), time.monotonic()
    sink = ArraySink(np.zeros_like(plane))
    steps, shown = restore_planes(ArraySource(plane, "YX"), sink, model, options), 0.0
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            report = finished.value
            break
        if step.fraction >= shown:
            seconds = time.monotonic() - started
            print(
                f"{step.fraction:6.1%}  {seconds:7.0f} s  {peak_bytes() / 1e9:.2f} GB",
                flush=True,
            )
            shown += 0.05
    seconds = time.monotonic() - started
    megapixels = plane.size / 1e6
    print(
        f"{arguments.side} x {arguments.side} with {arguments.model}, budget "
        f"{arguments.memory}, {torch.get_num_threads()} threads: {seconds:.0f} s "
        f"({megapixels / seconds:.2f} megapixels / s); whole process "
        f"{peak_bytes() / 1e9:.2f} GB at its peak, {before / 1e9:.2f} GB of it before "
        f"the start; predicted {report.predicted_peak_bytes / 1e9:.2f} GB of working "
        f"memory and {report.temporary_file_bytes / 1e9:.1f} GB of temporary files"
    )
    if arguments.save:
        np.save(arguments.save, sink.array)


if __name__ == "__main__":
    main()
