"""Ways to restore a plane by tiles, compared with the whole plane at once.

    python benchmarks/schemes.py [--size 768] [--tile 96]

On the shipped model and an image half of which is nearly empty, as microscopy often
is. `seam ratio` is the step of the error across tile borders over that elsewhere; `tile
bias` is the standard deviation of the mean error of tiles. Blending hides seams, not
bias.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.engine.planes import array_plane
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.selftest import probe_image
from diffir_core.engine.workers import exhaust
from diffir_core.metrics import psnr

Image = NDArray[np.float32]
Call = Callable[[], Image]

SCHEMES = ("whole", "exact", "bfloat16", "blended 16", "blended 32", "cut apart")


def restorer_call(restorer: Restorer, image: Image) -> Call:
    """Give the engine on an image, from pixels to pixels, its IPR included.

    Every call differs by a rounding of the image, so that no fold can be reused.
    """
    config, calls = restorer.config, [0]

    def call() -> Image:
        calls[0] += 1
        values = image * np.float32(1 + 1e-6 * calls[0])
        target = array_plane(values, config, np.empty(0, np.float32))
        features = exhaust(restorer.features([target]))[0]
        return restorer.restore_array(values, restorer.ipr_from(features, ""))

    return call


def half_empty(size: int) -> Image:
    """Give the test image, (1, size, size)."""
    image = probe_image(1, size)
    image[:, :, size // 2 :] *= 0.2
    return image


def scheme(name: str, image: Image, tile: int) -> Call:
    """Give one way to restore the image."""
    model = diffir.load_model("fluo-denoise")
    if name == "whole":
        lq = torch.from_numpy(image)[None]

        def whole() -> Image:
            with torch.inference_mode():
                return model.restorer(lq)[0].numpy()  # type: ignore[no-any-return]

        return whole
    if name == "exact":
        return restorer_call(Restorer(model, diffir.RestoreOptions(tile=tile)), image)
    if name == "bfloat16":
        options = diffir.RestoreOptions(tile=tile, precision="bfloat16")
        return restorer_call(Restorer(model, options), image)
    overlap = 0 if name == "cut apart" else int(name.split()[1])
    return _independent(Restorer(model, diffir.RestoreOptions()), image, tile, overlap)


def _independent(restorer: Restorer, image: Image, tile: int, overlap: int) -> Call:
    """Give what is usual: tiles with IPRs and attention of their own, blended."""
    ramp = np.arange(1, tile + 2 * overlap + 1) / max(1, 2 * overlap)
    line = np.clip(np.minimum(ramp, ramp[::-1]), 0, 1).astype(np.float32)

    def call() -> Image:
        total, weight = np.zeros_like(image), np.zeros_like(image)
        size = image.shape[1]
        for y in range(0, size, tile):
            for x in range(0, size, tile):
                rows = slice(max(0, y - overlap), min(size, y + tile + overlap))
                columns = slice(max(0, x - overlap), min(size, x + tile + overlap))
                part = np.ascontiguousarray(image[:, rows, columns])
                down = line[rows.start - y + overlap :][: part.shape[1]]
                across = line[columns.start - x + overlap :][: part.shape[2]]
                mask = down[:, None] * across[None, :] + 1e-6
                total[:, rows, columns] += mask * restorer_call(restorer, part)()
                weight[:, rows, columns] += mask
        return total / weight

    return call


def seam_ratio(error: Image, tile: int) -> float:
    """Give the steps of the error across tile borders over those elsewhere (rms)."""
    steps = np.diff(error, axis=1)
    at_seam = (np.arange(steps.shape[1]) + 1) % tile == 0
    inside = float(np.sqrt((steps[:, ~at_seam] ** 2).mean()))
    return float(np.sqrt((steps[:, at_seam] ** 2).mean())) / max(inside, 1e-12)


def tile_bias(error: Image, tile: int) -> float:
    """Give the standard deviation of the mean error of the tiles."""
    count = error.shape[0] // tile
    cut = error[: count * tile, : count * tile].reshape(count, tile, count, tile)
    return float(cut.mean(axis=(1, 3)).std())


MEMORY = """
import sys
sys.path.insert(0, {folder!r})
import schemes
schemes.scheme({name!r}, schemes.half_empty(192), {tile})()
call = schemes.scheme({name!r}, schemes.half_empty({size}), {tile})
before = schemes.resident_bytes("VmRSS")
call()
print(schemes.resident_bytes("VmHWM") - before)
"""


def resident_bytes(name: str) -> int:
    """Give the resident memory of this process: "VmRSS" now, "VmHWM" at its peak."""
    # Not ru_maxrss, which a process inherits from the one that started it.
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(name)) * 1024


def run_alone(code: str) -> float:
    """Run code in a process of its own; give the number that it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def compare(size: int, tile: int) -> list[dict[str, Any]]:
    """Run all schemes."""
    image, whole, rows = half_empty(size), None, []
    for name in SCHEMES:
        call = scheme(name, image, tile)
        call()
        started = time.perf_counter()
        result = call()
        spent = time.perf_counter() - started
        whole = result if whole is None else whole
        error = (result - whole)[0]
        code = MEMORY.format(
            folder=str(Path(__file__).parent), name=name, size=size, tile=tile
        )
        deviates = bool(error.any())
        rows.append(
            {
                "scheme": name,
                "largest_deviation": float(np.abs(error).max()),
                "psnr_db": psnr(result, whole, data_range=1.0) if deviates else None,
                "seam_ratio": seam_ratio(error, tile) if deviates else None,
                "tile_bias": tile_bias(error, tile),
                "seconds": spent,
                "peak_mb": run_alone(code) / 1e6,
            }
        )
        print(row_of(rows[-1]), file=sys.stderr, flush=True)
    return rows


def row_of(row: dict[str, Any]) -> str:
    """Give a row of the table."""
    exact = row["psnr_db"] is None
    quality = "- | -" if exact else f"{row['psnr_db']:.1f} | {row['seam_ratio']:.2f}"
    return (
        f"| {row['scheme']} | {row['largest_deviation']:.1e} | {quality} | "
        f"{row['tile_bias']:.1e} | {row['seconds']:.2f} | {row['peak_mb']:.0f} |"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Give the table in Markdown."""
    return "\n".join(
        [
            "| tiles | largest deviation | PSNR to the whole, dB | seam ratio "
            "| tile bias | s | peak, MB |",
            "|---|---|---|---|---|---|---|",
            *map(row_of, rows),
        ]
    )


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--tile", type=int, default=96)
    arguments = parser.parse_args()
    print(table(compare(arguments.size, arguments.tile)))


if __name__ == "__main__":
    main()
