"""The engine against the plain networks: time, memory, linearity, seams.

    python benchmarks/engine.py [--quick] [--json FILE] [--plot FILE] [--against PATH]

Baseline: the plain modules of `diffir_core.nn` in eager float32 with the default
allocator and PyTorch's own threads, which compute what the official code computes, in
the same operations. Both run in turn, A B A B, in one process; ratios are medians of
the pairs. Memory is that of processes of their own. Weights of the full-size networks
are random: time and memory do not depend on them.

`--against` names a checkout of the official repository, whose deblur network is timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

import diffir_core as diffir
from diffir_core.engine.planes import array_plane
from diffir_core.engine.restorer import Restorer
from diffir_core.engine.selftest import probe_image
from diffir_core.engine.workers import exhaust
from diffir_core.metrics import psnr
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2

Image = NDArray[np.float32]

NETWORKS = ("fluo-denoise", "deblur", "srgan-x4", "realsr-x1")
SIZES = {
    "fluo-denoise": (256, 512, 1024),
    "deblur": (256, 512),
    "srgan-x4": (64, 128),
    "realsr-x1": (256,),
}
QUICK = {"fluo-denoise": (256, 512), "deblur": (256,), "srgan-x4": (64,)}
SECONDS_A_CASE = 30.0
LARGEST_REPEATS = 5


def load(name: str) -> Model:
    """Give a shipped model, or a full-size one of random weights."""
    if name not in diffir.PRESETS:
        return diffir.load_model(name)
    config = diffir.PRESETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DiffIRS2(config).eval()
    return Model(network, config, None, "random", name)


def machine() -> dict[str, Any]:
    """Name the machine and measure the rates that bound every network on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(
            x.split(":")[1].strip() for x in lines if x.startswith("model name")
        )
    except (OSError, StopIteration):
        pass
    image = torch.randn(1, 192, 64, 64).to(memory_format=torch.channels_last)
    weights = torch.randn(768, 192, 3, 3)
    square = torch.randn(2048, 2048)
    with torch.inference_mode():
        convolution = best_seconds(lambda: torch.conv2d(image, weights, padding=1))
        product = best_seconds(lambda: square @ square)
    return {
        "processor": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "convolution_gflops": 2 * 9 * 192 * 768 * 4096 / convolution / 1e9,
        "matrix_gflops": 2 * 2048**3 / product / 1e9,
    }


def best_seconds(call: Callable[[], Any], repeats: int = 15) -> float:
    """Give the shortest of several times."""
    return min(seconds(call) for _ in range(repeats))


def seconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def flops_per_pixel(network: DiffIRS2) -> float:
    """Count two per multiplication and addition, on the plain network."""
    config = network.config
    lq = torch.zeros(1, config.in_channels, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(lq)
    return counter.get_total_flops() / 64**2


def plain_call(network: Any, image: Image) -> Callable[[], Any]:
    """Give the plain network on an image."""
    lq = torch.from_numpy(image)[None]

    def call() -> Any:
        with torch.no_grad():
            return network(lq)

    return call


def engine_call(restorer: Restorer, image: Image) -> Callable[[], Image]:
    """Give the engine on an image, from pixels to pixels, its IPR included."""
    config = restorer.config

    def call() -> Image:
        target = array_plane(image, config, np.empty(0, np.float32))
        features = exhaust(restorer.features([target]))[0]
        return restorer.restore_array(image, restorer.ipr_from(features, ""))

    return call


def time_case(
    model: Model, restorer: Restorer, size: int, peak_gflops: float
) -> dict[str, Any]:
    """Time the plain network and the engine in turn."""
    image = np.random.default_rng(0).random(
        (model.config.in_channels, size, size), dtype=np.float32
    )
    plain, ours = plain_call(model.restorer, image), engine_call(restorer, image)
    pairs, started = [(seconds(plain), seconds(ours))], time.perf_counter()
    while len(pairs) < LARGEST_REPEATS + 1:
        pairs.append((seconds(plain), seconds(ours)))
        spent = time.perf_counter() - started
        if spent + spent / (len(pairs) - 1) > SECONDS_A_CASE:
            break
    kept = pairs[1:]  # The first pair warms up.
    ours_seconds = statistics.median(b for _, b in kept)
    gflops = flops_per_pixel(model.restorer) * size**2 / ours_seconds / 1e9
    return {
        "network": model.name,
        "size": size,
        "plain_seconds": statistics.median(a for a, _ in kept),
        "engine_seconds": ours_seconds,
        "ratio": statistics.median(a / b for a, b in kept),
        "ratio_range": [min(a / b for a, b in kept), max(a / b for a, b in kept)],
        "pairs": len(kept),
        "gflops": gflops,
        "share_of_convolution_peak": gflops / peak_gflops,
        "microseconds_per_pixel": ours_seconds / size**2 * 1e6,
    }


def resident_bytes(name: str) -> int:
    """Give the resident memory of this process: "VmRSS" now, "VmHWM" at its peak."""
    # Not ru_maxrss, which a process inherits from the one that started it.
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(name)) * 1024


MEMORY = """
import sys
import numpy as np, torch
sys.path.insert(0, {folder!r})
import engine
model = engine.load({name!r})
image = np.random.default_rng(0).random(
    (model.config.in_channels, {size}, {size}), dtype=np.float32)
restorer = engine.Restorer(model, engine.diffir.RestoreOptions(memory="64GB"))
make = engine.plain_call if {plain} else engine.engine_call
subject = model.restorer if {plain} else restorer
make(subject, np.ascontiguousarray(image[:, :64, :64]))()
before = engine.resident_bytes("VmRSS")
make(subject, image)()
print(engine.resident_bytes("VmHWM") - before)
"""


def peak_memory(name: str, size: int, *, plain: bool) -> float:
    """Give megabytes a megapixel of input, in a process of its own."""
    code = MEMORY.format(
        folder=str(Path(__file__).parent), name=name, size=size, plain=plain
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout) / 1e6 / (size**2 / 1e6)


def seam_case(
    size: int = 384, tile: int = 96, overlap: int = 16
) -> list[dict[str, Any]]:
    """Compare exact tiles with independent, blended ones, on the shipped model."""
    model = load("fluo-denoise")
    image = probe_image(1, size)
    image[:, :, size // 2 :] *= 0.2  # Half of it nearly empty, as microscopy often is.
    with torch.inference_mode():
        whole = plain_call(model.restorer, image)().numpy()[0]
    tiled = Restorer(model, diffir.RestoreOptions(tile=tile))
    exact, blended = engine_call(tiled, image), _blended(model, image, tile, overlap)
    rows = []
    for name, call in (("exact", exact), ("blended", blended)):
        spent, result = seconds(call), call()
        error = result - whole
        rows.append(
            {
                "scheme": name,
                "largest_deviation": float(np.abs(error).max()),
                "psnr_db": psnr(result, whole, data_range=1.0),
                "seam_ratio": _seam_ratio(error[0], tile),
                "tile_bias": _tile_bias(error[0], tile),
                "seconds": spent,
            }
        )
    return rows


def _blended(
    model: Model, image: Image, tile: int, overlap: int
) -> Callable[[], Image]:
    """Give independent tiles, blended: what is usual. Each has its own IPR."""
    restorer = Restorer(model, diffir.RestoreOptions())
    ramp = np.clip(np.arange(1, tile + 2 * overlap + 1) / (2 * overlap), 0, 1)
    line = np.minimum(ramp, ramp[::-1]).astype(np.float32)

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
                total[:, rows, columns] += mask * engine_call(restorer, part)()
                weight[:, rows, columns] += mask
        return total / weight

    return call


def _seam_ratio(error: Image, tile: int) -> float:
    """Give the steps of the error across tile borders over those elsewhere (rms)."""
    steps = np.diff(error, axis=1)
    at_seam = (np.arange(steps.shape[1]) + 1) % tile == 0
    inside = float(np.sqrt((steps[:, ~at_seam] ** 2).mean()))
    return float(np.sqrt((steps[:, at_seam] ** 2).mean())) / max(inside, 1e-12)


def _tile_bias(error: Image, tile: int) -> float:
    """Give the standard deviation of the mean error of the tiles."""
    count = error.shape[0] // tile
    cut = error[: count * tile, : count * tile].reshape(count, tile, count, tile)
    return float(cut.mean(axis=(1, 3)).std())


def official_case(checkout: Path, size: int = 256) -> dict[str, Any]:
    """Time the deblur network of a checkout of the official repository."""
    sys.path.insert(0, str(checkout / "DiffIR-demotionblur"))
    module = importlib.import_module("DiffIR.archs.S2_arch")
    model = load("deblur")
    network = module.DiffIRS2(
        n_encoder_res=5, dim=48, num_blocks=[3, 5, 6, 6], num_refinement_blocks=4,
        heads=[1, 2, 4, 8], ffn_expansion_factor=2, LayerNorm_type="WithBias",
    ).eval()  # fmt: skip
    network.load_state_dict(model.restorer.state_dict(), strict=False)
    image = np.random.default_rng(0).random((3, size, size), dtype=np.float32)
    restorer = Restorer(model, diffir.RestoreOptions())
    pairs = [
        (seconds(plain_call(network, image)), seconds(engine_call(restorer, image)))
        for _ in range(4)
    ][1:]
    return {"size": size, "ratio": statistics.median(a / b for a, b in pairs)}


def measure(quick: bool) -> dict[str, Any]:
    """Run everything."""
    found: dict[str, Any] = {"machine": machine(), "time": [], "memory": []}
    peak = found["machine"]["convolution_gflops"]
    for name, sizes in (QUICK if quick else SIZES).items():
        model = load(name)
        restorer = Restorer(model, diffir.RestoreOptions())
        found["machine"]["kernels"] = restorer.streams.name
        for size in sizes:
            found["time"].append(time_case(model, restorer, size, peak))
            print(_time_row(found["time"][-1]), file=sys.stderr, flush=True)
    cases = {"fluo-denoise": 1024} if quick else {"fluo-denoise": 1024, "deblur": 1024}
    for name, size in cases.items():
        ours, plain = (peak_memory(name, size, plain=p) for p in (False, True))
        row = {"network": name, "size": size, "engine": ours, "plain": plain}
        found["memory"].append(row)
        print(_memory_row(row), file=sys.stderr, flush=True)
    found["seams"] = seam_case()
    return found


def _time_row(row: dict[str, Any]) -> str:
    low, high = row["ratio_range"]
    return (
        f"| {row['network']} | {row['size']} | {row['plain_seconds']:.2f} | "
        f"{row['engine_seconds']:.2f} | "
        f"**{row['ratio']:.1f}** ({low:.1f}-{high:.1f}) | "
        f"{row['share_of_convolution_peak']:.0%} | "
        f"{row['microseconds_per_pixel']:.1f} |"
    )


def _memory_row(row: dict[str, Any]) -> str:
    return (
        f"| {row['network']} | {row['size']} | {row['plain']:.0f} | "
        f"{row['engine']:.0f} | {row['plain'] / row['engine']:.1f} |"
    )


def table(found: dict[str, Any]) -> str:
    """Give the report as Markdown."""
    about = found["machine"]
    lines = [
        f"{about['processor']}, {about['threads']} threads, PyTorch {about['torch']}, "
        f"kernels '{about['kernels']}'; 3x3 convolution "
        f"{about['convolution_gflops']:.0f} GFLOP/s, matrix product "
        f"{about['matrix_gflops']:.0f} GFLOP/s.",
        "",
        "| network | pixels a side | plain, s | engine, s | times as fast (range) | "
        "of convolution peak | µs a pixel |",
        "|---|---|---|---|---|---|---|",
        *(_time_row(row) for row in found["time"]),
        "",
        "| network | pixels a side | plain, MB a megapixel | engine | times less |",
        "|---|---|---|---|---|",
        *(_memory_row(row) for row in found["memory"]),
        "",
        "| tiles | largest deviation | PSNR to the whole, dB | seam ratio "
        "| tile bias | s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['scheme']} | {row['largest_deviation']:.1e} | "
            f"{row['psnr_db']:.1f} | {row['seam_ratio']:.2f} | "
            f"{row['tile_bias']:.1e} | {row['seconds']:.2f} |"
            for row in found["seams"]
        ),
    ]
    if "official" in found:
        case = found["official"]
        lines += [
            "",
            f"Official code, {case['size']} pixels: {case['ratio']:.1f} times.",
        ]
    return "\n".join(lines)


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the ratios and the cost a pixel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = found["time"]
    labels = [f"{row['network']}\n{row['size']}²" for row in rows]
    left.bar(range(len(rows)), [row["ratio"] for row in rows], color="#3b7ea1")
    left.axhline(1, color="black", linewidth=0.8)
    left.set_xticks(range(len(rows)), labels, rotation=60, fontsize=7)
    left.set_ylabel("times as fast as the plain network")
    for name in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == name]
        x = [row["size"] ** 2 / 1e6 for row in own]
        right.plot(x, [row["engine_seconds"] for row in own], "o-", label=name)
    right.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds")
    right.set_title("cost against size", fontsize=9)
    right.legend(fontsize=7)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--against", type=Path, help="a checkout of the official code")
    arguments = parser.parse_args()
    found = measure(arguments.quick)
    if arguments.against:
        found["official"] = official_case(arguments.against)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
