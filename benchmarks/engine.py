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
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from engine_speed.machine import machine
from engine_speed.report import memory_row, plot, table, time_row
from engine_speed.timing import official_case, time_case
from schemes import compare, run_alone

import diffir_core as diffir
from diffir_core.engine.restorer import Restorer
from diffir_core.model import Model
from diffir_core.nn import DiffIRS2

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


def load(name: str) -> Model:
    """Give a shipped model, or a full-size one of random weights."""
    if name not in diffir.PRESETS:
        return diffir.load_model(name)
    config = diffir.PRESETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DiffIRS2(config).eval()
    return Model(network, config, None, "random", name)


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
            print(time_row(case), file=sys.stderr, flush=True)
    for name, size in MEMORY_SIZES.items() if "memory" in parts else ():
        if name in paired:
            found["memory"].append(memory_case(name, size))
            print(memory_row(found["memory"][-1]), file=sys.stderr, flush=True)
    if "tiles" in parts:
        found["schemes"] = compare(384 if quick else 768, 96)
    return found


MEMORY = """
import sys
sys.path.insert(0, {folder!r})
import engine
from engine_speed.timing import plain_call, random_image
from schemes import resident_bytes, restorer_call
model = engine.load({name!r})
restorer = engine.Restorer(model, engine.diffir.RestoreOptions(memory="64GB"))
if {plain}:
    call = lambda size: plain_call(model.restorer, random_image(model, size))
else:
    call = lambda size: restorer_call(restorer, random_image(model, size))
call(64)()
ready = call({size})
before = resident_bytes("VmRSS")
ready()
print(resident_bytes("VmHWM") - before)
"""


def memory_case(name: str, size: int) -> dict[str, Any]:
    """Give megabytes a megapixel of input, plain and ours, on the CPU."""
    folder, row = str(Path(__file__).parent), {"network": name, "size": size}
    for kind in ("plain", "engine"):
        code = MEMORY.format(folder=folder, name=name, size=size, plain=kind == "plain")
        row[kind] = run_alone(code) / size**2
    return row


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
        found["official"] = official_case(load("deblur"), arguments.against)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
