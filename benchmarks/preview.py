r"""Measure how soon the live preview shows something, and when it is exact.

    python benchmarks/preview.py [--model fluo-denoise] [--side 512] [--repeats 9]
    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" \\
        python benchmarks/preview.py --viewer

A region of side x side of a plane that is no larger, and of one twice as large; each
with its IPR unknown (the plane was never looked at) and known (a slider was moved).
Seconds are medians, with the longest in brackets; fidelity is the PSNR of each look
against the last one, which is what the restoration gives.

With --viewer, napari shows the plane and the seed is changed in the IPR controls: how
long until the first preview is drawn, and the longest time for which the event loop did
not turn meanwhile.
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
        fresh.pace = previewer.pace
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


def measure_viewer(model: str, side: int, repeats: int) -> None:
    """Change the seed in napari so often, and print how soon it is seen."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer

    def spin(milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 860)
    viewer.add_image(noisy_plane(side), name="plane", axis_labels=("y", "x"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "IPR controls")
    if model != "fluo-denoise":
        widget.source.choose_model(model)
    widget.look.live_check.click()
    shown, turns = list[float](), [time.perf_counter()]
    widget.state.events.preview.connect(lambda look: shown.append(time.perf_counter()))
    pulse = QTimer()
    pulse.timeout.connect(lambda: turns.append(time.perf_counter()))
    spin(8000)  # Compiles, learns the machine's pace, ends exact.
    first = []
    pulse.start(5)
    for seed in range(1, repeats + 1):
        shown.clear()
        started = time.perf_counter()
        widget.steer.seed_box.setValue(seed)
        while not shown:
            spin(2)
        first.append(shown[0] - started)
        spin(500 if seed % 2 else 4000)  # Half of them cut a refinement short.
    pulse.stop()
    gaps = np.diff(turns[1:])
    look = widget.state.preview
    print(
        f"\nin napari, region {widget.state.sight.region}, at last '{look.exactness}':"
    )
    print(
        f"first preview {statistics.median(first):.2f} s (longest {max(first):.2f}); "
        f"longest gap of the event loop {1000 * gaps.max():.0f} ms, "
        f"99 % below {1000 * np.quantile(gaps, 0.99):.0f} ms"
    )
    viewer.close()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="fluo-denoise")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--viewer", action="store_true")
    chosen = parser.parse_args()
    model = diffir.load_model(chosen.model)
    load = os.getloadavg()[0]
    print(f"{torch.get_num_threads()} threads, load {load:.1f} at the start\n")
    if chosen.viewer:
        measure_viewer(chosen.model, chosen.side, chosen.repeats)
        return
    print("| region | IPR | looks: seconds (longest), PSNR to the last |")
    print("|---|---|---|")
    for plane_side in (chosen.side, 2 * chosen.side):
        measure(model, chosen.side, plane_side, chosen.repeats)


if __name__ == "__main__":
    main()
