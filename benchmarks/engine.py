"""The engine against the plain networks: time, memory, linearity, tiles.

    python benchmarks/engine.py [--quick] [--parts time] [--device cuda] [--json FILE]
                                [--plot FILE] [--against PATH]

Baseline: the plain modules of `diffir_core.nn` in eager float32 with the default
allocator and PyTorch's own threads, which compute what the official code computes, in
the same operations. Both run in turn, A B A B, in one process; ratios are medians of
the pairs. Sizes at which the plain network takes minutes are timed for the engine
alone. Memory is that of processes of their own. Weights of the full-size networks are
random: time and memory do not depend on them.

`--against` names a checkout of the official repository, whose deblur network is timed.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from schemes import compare, resident_bytes, restorer_call, run_alone
from schemes import table as scheme_table
from torch.utils.flop_counter import FlopCounterMode

import diffir_core as diffir
from diffir_core.engine.restorer import Restorer
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2

__all__ = ["load", "resident_bytes"]

Image = NDArray[np.float32]

PAIRED = {
    "fluo-denoise": (256, 512, 1024),
    "deblur": (256, 512),
    "srgan-x4": (256,),
    "realsr-x1": (256,),
    "inpainting-places2": (256,),
}
ALONE = {"fluo-denoise": (4096,), "deblur": (1024,)}
PARTS = ("time", "memory", "tiles")
MEMORY_SIZES = {"fluo-denoise": 1024, "deblur": 1024, "srgan-x4": 256}
QUICK = {"fluo-denoise": (256, 512), "deblur": (256,)}
SECONDS_A_CASE = 25.0
MOST_PAIRS = 7


def load(name: str) -> Model:
    """Give a shipped model, or a full-size one of random weights."""
    if name not in diffir.PRESETS:
        return diffir.load_model(name)
    config = diffir.PRESETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DiffIRS2(config).eval()
    return Model(network, config, None, "random", name)


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            x.split(":")[1].strip() for x in lines if x.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine(device: str) -> dict[str, Any]:
    """Name the machine and measure the rates that bound every network on it."""
    image = torch.randn(1, 192, 64, 64).to(device, memory_format=torch.channels_last)
    weights, square = torch.randn(768, 192, 3, 3), torch.randn(2048, 2048)
    weights, square = weights.to(device), square.to(device)

    def finish() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    def rate(operations: float, call: Callable[[], Any]) -> float:
        def timed() -> None:
            call()
            finish()

        return operations / min(seconds(timed) for _ in range(15)) / 1e9

    with torch.inference_mode():
        return {
            "processor": processor(),
            "device": device if device == "cpu" else torch.cuda.get_device_name(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "convolution_gflops": rate(
                2 * 9 * 192 * 768 * 4096,
                lambda: torch.conv2d(image, weights, padding=1),
            ),
            "matrix_gflops": rate(2 * 2048**3, lambda: square @ square),
        }


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


def plain_call(network: Any, image: Image, device: str = "cpu") -> Callable[[], Any]:
    """Give the plain network on an image, from the host's memory and back to it."""
    there = network if device == "cpu" else copy.deepcopy(network).to(device)

    def call() -> Any:
        with torch.no_grad():
            return there(torch.from_numpy(image)[None].to(device)).cpu()

    return call


def random_image(model: Model, size: int) -> Image:
    """Give (channels, size, size)."""
    shape = model.config.in_channels, size, size
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def time_pairs(model: Model, restorer: Restorer, size: int) -> dict[str, Any]:
    """Time the plain network and the engine in turn."""
    image = random_image(model, size)
    plain = plain_call(model.restorer, image, restorer.device.type)
    ours = restorer_call(restorer, image)
    pairs, started = [(seconds(plain), seconds(ours))], time.perf_counter()
    while len(pairs) < MOST_PAIRS + 1:
        pairs.append((seconds(plain), seconds(ours)))
        spent = time.perf_counter() - started
        if spent + spent / (len(pairs) - 1) > SECONDS_A_CASE:
            break
    kept = pairs[1:]  # The first pair warms up.
    return {
        "plain_seconds": statistics.median(a for a, _ in kept),
        "engine_seconds": statistics.median(b for _, b in kept),
        "ratio": statistics.median(a / b for a, b in kept),
        "ratio_range": [min(a / b for a, b in kept), max(a / b for a, b in kept)],
        "pairs": len(kept),
    }


def time_alone(model: Model, restorer: Restorer, size: int) -> dict[str, Any]:
    """Time the engine where the plain network would take too long."""
    call = restorer_call(restorer, random_image(model, size))
    return {"engine_seconds": seconds(call)}


def time_case(
    model: Model, restorer: Restorer, size: int, peak: float, *, paired: bool
) -> dict[str, Any]:
    """Time a case and say what share of the machine's peak it reaches."""
    timed = (time_pairs if paired else time_alone)(model, restorer, size)
    spent = timed["engine_seconds"]
    gflops = flops_per_pixel(model.restorer) * size**2 / spent / 1e9
    return {
        "network": model.name,
        "size": size,
        **timed,
        "gflops": gflops,
        "share_of_convolution_peak": gflops / peak,
        "microseconds_per_pixel": spent / size**2 * 1e6,
        "plan_mb": restorer.last_plan.peak_bytes / 1e6 if restorer.last_plan else None,
    }


MEMORY = """
import sys
import numpy as np, torch
sys.path.insert(0, {folder!r})
import engine
model = engine.load({name!r})
restorer = engine.Restorer(model, engine.diffir.RestoreOptions(memory="64GB"))
if {plain}:
    call = lambda size: engine.plain_call(
        model.restorer, engine.random_image(model, size))
else:
    call = lambda size: engine.restorer_call(
        restorer, engine.random_image(model, size))
call(64)()
ready = call({size})
before = engine.resident_bytes("VmRSS")
ready()
print(engine.resident_bytes("VmHWM") - before)
"""


def memory_case(name: str, size: int) -> dict[str, Any]:
    """Give megabytes a megapixel of input, plain and ours, on the CPU."""
    folder, row = str(Path(__file__).parent), {"network": name, "size": size}
    for kind in ("plain", "engine"):
        code = MEMORY.format(folder=folder, name=name, size=size, plain=kind == "plain")
        row[kind] = run_alone(code) / size**2
    return row


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
    image = random_image(model, size)
    plain = plain_call(network, image)
    ours = restorer_call(Restorer(model, diffir.RestoreOptions()), image)
    pairs = [(seconds(plain), seconds(ours)) for _ in range(4)][1:]
    return {"size": size, "ratio": statistics.median(a / b for a, b in pairs)}


def measure(
    options: diffir.RestoreOptions, quick: bool, parts: Sequence[str]
) -> dict[str, Any]:
    """Run some of PARTS."""
    found: dict[str, Any] = {"machine": machine(options.device)}
    found |= {"time": [], "memory": []}
    peak = found["machine"]["convolution_gflops"]
    found["machine"] |= {"kernels": "", "precision": ""}
    paired = QUICK if quick else PAIRED
    for name, sizes in paired.items() if "time" in parts else ():
        model = load(name)
        restorer = Restorer(model, options)
        found["machine"]["kernels"] = restorer.streams.name
        found["machine"]["precision"] = restorer.precision.name
        for size in (*sizes, *(() if quick else ALONE.get(name, ()))):
            case = time_case(model, restorer, size, peak, paired=size in sizes)
            found["time"].append(case)
            print(_time_row(case), file=sys.stderr, flush=True)
    for name, size in MEMORY_SIZES.items() if "memory" in parts else ():
        if name in paired:
            found["memory"].append(memory_case(name, size))
            print(_memory_row(found["memory"][-1]), file=sys.stderr, flush=True)
    if "tiles" in parts:
        found["schemes"] = compare(384 if quick else 768, 96)
    return found


def _time_row(row: dict[str, Any]) -> str:
    ratio, plain = "-", "-"
    if "ratio" in row:
        low, high = row["ratio_range"]
        ratio, plain = (
            f"**{row['ratio']:.1f}** ({low:.1f}-{high:.1f}, {row['pairs']} pairs)",
            f"{row['plain_seconds']:.2f}",
        )
    return (
        f"| {row['network']} | {row['size']} | {plain} | "
        f"{row['engine_seconds']:.2f} | {ratio} | "
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
        f"{about['processor']}, device {about['device']}, {about['threads']} threads, "
        f"PyTorch {about['torch']}, kernels '{about['kernels']}', "
        f"{about['precision']}; 3x3 convolution "
        f"{about['convolution_gflops']:.0f} GFLOP/s, matrix product "
        f"{about['matrix_gflops']:.0f} GFLOP/s.",
        "",
        "| network | pixels a side | plain, s | engine, s | times as fast (range) | "
        "of convolution peak | µs a pixel |",
        "|---|---|---|---|---|---|---|",
        *(_time_row(row) for row in found["time"]),
    ]
    if found["memory"]:
        lines += [
            "",
            "| network | pixels a side | plain, MB a megapixel | engine | times less |",
            "|---|---|---|---|---|",
            *(_memory_row(row) for row in found["memory"]),
        ]
    if "schemes" in found:
        lines += ["", scheme_table(found["schemes"])]
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

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in found["time"] if "ratio" in row]
    labels = [f"{row['network']} {row['size']}²" for row in rows]
    left.barh(range(len(rows)), [row["ratio"] for row in rows], color="#3b7ea1")
    left.axvline(1, color="black", linewidth=0.8)
    left.set_yticks(range(len(rows)), labels, fontsize=8)
    left.invert_yaxis()
    left.set_xlabel("times as fast as the plain network")
    for name in dict.fromkeys(row["network"] for row in found["time"]):
        own = [row for row in found["time"] if row["network"] == name]
        x = [row["size"] ** 2 / 1e6 for row in own]
        y = [row["microseconds_per_pixel"] for row in own]
        right.plot(x, y, "o-", markersize=4, label=name)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="megapixels of input",
        ylabel="µs a pixel (flat: cost is linear)",
    )
    right.legend(fontsize=7)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes only")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", help="or bfloat16, auto")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="memory is the CPU's"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--against", type=Path, help="a checkout of the official code")
    arguments = parser.parse_args()
    options = diffir.RestoreOptions(
        device=arguments.device, precision=arguments.precision, exactness="fast"
    )
    found = measure(options, arguments.quick, arguments.parts)
    if arguments.against:
        found["official"] = official_case(arguments.against)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
