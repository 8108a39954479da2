"""Training steps a second: ours against the plain eager float32 loop.

    python benchmarks/training.py [--device cuda] [--precision auto] [--compile]
                                  [--cuda-graph] [--workers 6] [--processes 2] [--quick]

The same network, batch and loss. Plain: the modules of `diffir_core.nn`, Adam as it
comes, eager float32, which is what the official code runs. Ours: the trainer, with its
data, averaging and clipping. Both run in turn, A B A B, in one process; ratios are
medians of the pairs. Peak memory is that of processes of their own. `--processes 2`
times ours on two processes of a thread each, which share the batch.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from diffir_training.losses import pixel_l1
from diffir_training.recipe import Recipe
from diffir_training.trainer import Trainer

from diffir_core.nn import DiffIRS1

SMALL = dict(dim=16, num_blocks=(1, 2, 3, 3), num_refinement_blocks=1, n_encoder_res=2)
FULL: dict[str, Any] = {}
CASES = {"small": (SMALL, 64, 4), "full": (FULL, 64, 2)}
"""Network, patch size, batch."""


def recipe_for(name: str, folder: Path, loop: dict[str, Any]) -> Recipe:
    """Give a recipe of stage 1 on a synthetic image."""
    network, size, batch = CASES[name]
    image = np.random.default_rng(0).gamma(2, 500, (512, 512)).astype(np.uint16)
    tifffile.imwrite(folder / "clean.tif", image)
    images = dict(kind="clean", sources=[dict(pattern="*.tif")])
    return Recipe.parse(
        dict(
            name=name,
            model=dict(in_channels=1, out_channels=1, **network),
            data=dict(folder=folder, images=images),
            noise=dict(kind="camera"),
            stages=[
                dict(kind="ground_truth", steps=10**6, patch_size=size, batch=batch)
            ],
            loop=loop,
            checkpoint_steps=10**6,
        )
    )


def plain_step(trainer: Trainer) -> Callable[[], Any]:
    """Give a step of the plain loop, on a batch that is there already."""
    schedule, device = trainer.schedule, trainer.devices.device
    torch.manual_seed(0)
    network = DiffIRS1(trainer.recipe.model).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4)
    average = copy.deepcopy(network)
    batch = trainer.data.batch(0, schedule.patch_size, range(schedule.batch))
    batch = batch.to(device)

    def step() -> None:
        optimizer.zero_grad()
        pixel_l1(network(batch.noisy, batch.clean), batch.clean).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, parameter in zip(
                average.parameters(), network.parameters(), strict=True
            ):
                mean.mul_(0.999).add_(parameter, alpha=0.001)

    return step


def seconds(call: Callable[[], Any], steps: int, device: torch.device) -> float:
    """Time some steps."""
    started = time.perf_counter()
    for _ in range(steps):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def measure(name: str, loop: dict[str, Any], pairs: int) -> dict[str, Any]:
    """Time both loops in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recipe = recipe_for(name, folder, loop)
        trainer = Trainer(recipe, folder / "run")
        plain, where = plain_step(trainer), trainer.devices.device
        with closing(trainer.train()) as steps:
            ours = partial(next, steps)
            times = [
                (seconds(plain, 4, where), seconds(ours, 4, where))
                for _ in range(pairs + 1)
            ][1:]
        return {
            "network": name,
            "plain": 1 / statistics.median(a for a, _ in times),
            "ours": 1 / statistics.median(b for _, b in times),
            "ratio": statistics.median(a / b for a, b in times),
            "range": [min(a / b for a, b in times), max(a / b for a, b in times)],
        }


MEMORY = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, {folder!r})
import training
with tempfile.TemporaryDirectory() as temporary:
    recipe = training.recipe_for({name!r}, Path(temporary), {loop!r})
    trainer = training.Trainer(recipe, Path(temporary) / "run")
    plain, steps = training.plain_step(trainer), trainer.train()
    for _ in range(3):
        plain() if {plain} else next(steps)
    steps.close()
    with open("/proc/self/status") as file:
        print(next(int(x.split()[1]) for x in file if x.startswith("VmHWM")) / 1e3)
"""


def peak_mb(name: str, loop: dict[str, Any], *, plain: bool) -> float:
    """Give the peak of a process that trains."""
    folder = str(Path(__file__).parent)
    code = MEMORY.format(folder=folder, name=name, loop=loop, plain=plain)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def work(name: str, kind: str, loop: dict[str, Any]) -> None:
    """Time steps in this process, one of several perhaps, and print the seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trainer = Trainer(recipe_for(name, folder, loop), folder / "run")
        plain, where = plain_step(trainer), trainer.devices.device
        with closing(trainer.train()) as steps:
            step = plain if kind == "plain" else partial(next, steps)
            seconds(step, 3, where)
            taken = seconds(step, 10, where)
        trainer.devices.wait()
        if trainer.devices.is_first:
            print(taken)


def processes_ratios(name: str, processes: int, pairs: int) -> list[float]:
    """Time the plain loop, and ours on several processes, in turn: A B A B."""
    script, bin_folder = str(Path(__file__)), Path(sys.executable).parent
    shared = [str(bin_folder / "torchrun"), f"--nproc-per-node={processes}", script]
    alone = [sys.executable, script]
    ratios = []
    for _ in range(pairs):
        plain, ours = (
            float(
                subprocess.run(
                    [*command, "--work", kind, "--network", name],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for command, kind in ((alone, "plain"), (shared, "ours"))
        )
        ratios.append(plain / ours)
    return ratios


def print_processes(processes: int, names: list[str]) -> None:
    """Print a table of the training on several processes of this machine."""
    print(f"| network | {processes} processes, times as fast as the plain loop |")
    print("|---|---|")
    for name in names:
        ratios = processes_ratios(name, processes, pairs=3)
        low, high = min(ratios), max(ratios)
        middle = statistics.median(ratios)
        print(f"| {name} | {middle:.2f} ({low:.2f}-{high:.2f}) |", flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", help="or bfloat16, auto")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--cuda-graph", action="store_true", help="a recorded step")
    parser.add_argument("--workers", type=int, default=0, help="that prepare batches")
    parser.add_argument("--quick", action="store_true", help="the small network only")
    parser.add_argument("--processes", type=int, default=1, help="that share batches")
    parser.add_argument("--work", choices=("plain", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--network", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    loop = dict(
        device=arguments.device,
        precision=arguments.precision,
        compile=arguments.compile,
        cuda_graph=arguments.cuda_graph,
        workers=arguments.workers,
    )
    names = ["small"] if arguments.quick else list(CASES)
    if arguments.work:
        work(arguments.network, arguments.work, loop)
        return
    if arguments.processes > 1:
        print_processes(arguments.processes, names)
        return
    print("| network | plain, steps/s | ours | times as fast | plain, MB | ours, MB |")
    print("|---|---|---|---|---|---|")
    for name in names:
        row = measure(name, loop, pairs=7)
        low, high = row["range"]
        plain, ours = (peak_mb(name, loop, plain=p) for p in (True, False))
        print(
            f"| {name} | {row['plain']:.2f} | {row['ours']:.2f} | "
            f"{row['ratio']:.2f} ({low:.2f}-{high:.2f}) | {plain:.0f} | {ours:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
