"""Measure how soon the live preview shows something, and when it is exact.

    python benchmarks/preview.py [--model fluo-denoise] [--side 512] [--repeats 9]

A region of side x side of a plane that is no larger, and of one twice as large; each
with its IPR unknown (the plane was never looked at) and known (a slider was moved).
Seconds are medians, with the longest in brackets; fidelity is the PSNR of each look
against the last one, which is what the restoration gives.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

import diffir_core as diffir
from diffir_core.stacks.plane_iprs import PlaneIPRs
from diffir_core.stacks.previewing import Previewer, RegionPreview


@dataclass(frozen=True)
class Look:
    """When a look came, and how near it was to the last."""

    exactness: str
    seconds: float
    psnr_db: float


def noisy_plane(side: int, seed: int = 0) -> np.ndarray:
    """Give blurred blobs with camera noise: (side, side) uint16."""
    generator = np.random.default_rng(seed)
    clean = gaussian_filter((generator.random((side, side)) < 0.002).astype(float), 3)
    photons = 20 + 80 * clean / clean.max()
    noise = generator.normal(0, 4, photons.shape)
    return np.rint(generator.poisson(photons) * 3 + 100 + noise).astype(np.uint16)


def looks(
    previewer: Previewer, region: tuple[int, int, int, int], seed: int
) -> list[Look]:
    """Preview once; another seed is another IPR, as if a control were moved."""
    plane, options = previewer.iprs.plane_at((0, 0)), diffir.RestoreOptions(seed=seed)
    started, found = time.perf_counter(), list[tuple[float, RegionPreview]]()
    for step in previewer.preview(plane, region, options):
        if isinstance(step, RegionPreview):
            found.append((time.perf_counter() - started, step))
    last = found[-1][1].restored.astype(float)
    span = np.percentile(last, 99.8) - np.percentile(last, 1)

    def psnr(look: RegionPreview) -> float:
        error = float(np.mean((look.restored - last) ** 2))
        return float(10 * np.log10(span**2 / error)) if error else float("inf")

    return [Look(one.exactness, at, psnr(one)) for at, one in found]


def measure(model: diffir.Model, side: int, plane_side: int, repeats: int) -> None:
    """Print two lines of the table."""
    start = (plane_side - side) // 2
    region = (start, start + side, start, start + side)
    runs: dict[str, list[list[Look]]] = {"unknown": [], "known": []}
    image = noisy_plane(plane_side)
    previewer = Previewer(PlaneIPRs(image, model, "YX"))
    looks(previewer, region, 10_000)  # Compiles, and learns the machine's pace.
    looks(previewer, region, 10_001)
    for number in range(repeats):
        fresh = Previewer(PlaneIPRs(image, model, "YX"))
        fresh.paces = previewer.paces
        runs["unknown"].append(looks(fresh, region, number))
        runs["known"].append(looks(previewer, region, number))
    for name, each in runs.items():
        cells = [_cell([run[i] for run in each]) for i in range(len(each[0]))]
        print(f"| {side} of {plane_side} | {name} | " + " | ".join(cells) + " |")


def _cell(same: list[Look]) -> str:
    seconds = [one.seconds for one in same]
    text = f"{same[0].exactness} {statistics.median(seconds):.2f} ({max(seconds):.2f})"
    worst = min(one.psnr_db for one in same)
    return text + ("" if np.isinf(worst) else f", {worst:.1f} dB")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    model = diffir.load_model(chosen.model)
    load = os.getloadavg()[0]
    print(f"{torch.get_num_threads()} threads, load {load:.1f} at the start\n")
    print("| region | IPR | looks: seconds (longest), PSNR to the last |")
    print("|---|---|---|")
    for plane_side in (chosen.side, 2 * chosen.side):
        measure(model, chosen.side, plane_side, chosen.repeats)


if __name__ == "__main__":
    main()
