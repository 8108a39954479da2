"""Stream a stack from TIFF to OME-Zarr: throughput, waiting, and peak memory.

``python benchmarks/streaming.py --planes 200`` restores a TIFF three times, each in a
process of its own: streamed, by the straightforward loop (read all, restore, write
all), and by the device alone (planes that are in memory, nothing written).
``python benchmarks/streaming.py --generated 20GB --memory 1GB`` streams a stack that is
generated as it is read, journal and all, and prints the peak memory; with
``--channels 20``, one of 20 channels is restored, the others are copied. Results go to
a JSON file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

import diffir_core as diffir
from diffir_core.config import ModelConfig
from diffir_core.nn import DiffIRS2
from diffir_core.options import parse_bytes
from diffir_core.samples import sample_path
from diffir_core.stacks.file_run import restore_file_steps
from diffir_core.stacks.metadata import ImageSpec
from diffir_core.stacks.sink import ArraySink, create_sink
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.stream import restore_planes

TINY: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "dim": 8,
    "num_blocks": (1, 1, 1, 1),
    "num_refinement_blocks": 1,
    "n_encoder_res": 1,
    "cpen_features": 8,
}


class Generated:
    """A stack (channels, planes, Y, X) that exists plane by plane: real, shifted."""

    dtype = np.dtype("uint16")

    def __init__(self, planes: int, side: int, channels: int = 1) -> None:
        self.shape = (channels, planes // channels, side, side)
        self._real = tifffile.imread(sample_path("noisy"))[8].astype(self.dtype)

    def __getitem__(self, at: Any) -> NDArray[np.uint16]:
        channel, number, side = int(at[0]), int(at[1]), self.shape[-1]
        repeats = [-(-side // size) for size in self._real.shape]
        plane = np.tile(np.roll(self._real, 7 * number + channel, axis=1), repeats)
        return plane[:side, :side]


def peak_bytes() -> int:
    """Give the largest resident memory of this process so far."""
    # Not ru_maxrss, which a process inherits from the one that started it.
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(x.split()[1]) for x in file if x.startswith("VmHWM")) * 1024


def tiny_model(folder: Path) -> str:
    """Save a model of random weights that takes little time."""
    torch.manual_seed(0)
    path = folder / "tiny.safetensors"
    diffir.save_model(path, DiffIRS2(ModelConfig.parse(TINY)).eval())
    return str(path)


def write_input(path: Path, planes: int, side: int) -> None:
    """Write the generated stack as a BigTIFF."""
    stack = Generated(planes, side)
    tifffile.imwrite(
        path,
        (stack[0, number] for number in range(planes)),
        shape=stack.shape[1:],
        dtype=stack.dtype,
        bigtiff=True,
        ome=True,
        metadata={"axes": "ZYX"},
    )


def run_streamed(a: argparse.Namespace, options: diffir.RestoreOptions) -> Any:
    """Restore from file to file."""
    model = diffir.load_model(a.model)
    return diffir.restore_file(a.input, a.output, model, options=options)


def run_loop(a: argparse.Namespace, options: diffir.RestoreOptions) -> Any:
    """Read all, restore, write all."""
    model, stack = diffir.load_model(a.model), tifffile.imread(a.input)
    restored, report = diffir.restore(
        stack, model, axes="ZYX", options=options, return_report=True
    )
    source = ArraySource(restored, "ZYX")
    sink = empty_output(a, source)
    for plane in source.layout.planes(1):
        sink.write(plane, source.read(plane))
    return report


def run_device(a: argparse.Namespace, options: diffir.RestoreOptions) -> Any:
    """Restore the same few planes from and to memory."""
    generated, model = Generated(a.planes, a.side), diffir.load_model(a.model)
    stack = np.stack([generated[0, n] for n in range(a.device_planes)])
    sink = ArraySink(np.zeros_like(stack))
    return exhaust(restore_planes(ArraySource(stack, "ZYX"), sink, model, options))


def run_generated(a: argparse.Namespace, options: diffir.RestoreOptions) -> Any:
    """Stream a stack that is generated while it is read."""
    source = ArraySource(Generated(a.planes, a.side, a.channels), "CZYX")
    model, restored = diffir.load_model(a.model), options.replace(channels=(0,))
    return exhaust(restore_file_steps(source, a.output, model, options=restored))


def empty_output(a: argparse.Namespace, source: ArraySource) -> Any:
    """Give an empty OME-Zarr."""
    spec = ImageSpec(source.shape, source.dtype, source.metadata)
    return create_sink(Path(a.output), spec)


def exhaust(steps: Any) -> Any:
    """Run all steps, tell now and then how far they are, and give the report."""
    shown = 0.0
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            return finished.value
        if step.fraction >= shown:
            shown += 0.05
            text = f"{step.fraction:6.1%} {peak_bytes() / 1e9:.3f} GB"
            print(text, file=sys.stderr, flush=True)


WAYS = {
    "streamed": run_streamed,
    "loop": run_loop,
    "device": run_device,
    "generated": run_generated,
}


def in_this_process(a: argparse.Namespace) -> None:
    """Run one way and print its figures as JSON."""
    before, started = peak_bytes(), time.monotonic()
    report = WAYS[a.way](a, diffir.RestoreOptions(memory=a.memory))
    seconds = time.monotonic() - started
    planes = a.device_planes if a.way == "device" else a.planes
    megabytes = planes * a.side**2 * 2 / 1e6
    print(
        json.dumps(
            {
                "way": a.way,
                "seconds": round(seconds, 2),
                "MB_per_s": round(megabytes / seconds, 3),
                "peak_GB": round(peak_bytes() / 1e9, 3),
                "before_GB": round(before / 1e9, 3),
                "device_wait_share": report.device_wait_share,
                "device": report.device,
            }
        )
    )


def in_its_own_process(
    a: argparse.Namespace, way: str, **changes: Any
) -> dict[str, Any]:
    """Run one way in a process whose memory is its own."""
    values = {**vars(a), "way": way, **changes}
    command = [sys.executable, __file__]
    for key, value in values.items():
        if value is not None and key not in ("generated", "save"):
            command += [f"--{key.replace('_', '-')}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(a: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Run all ways over one TIFF."""
    source = folder / "in.ome.tif"
    write_input(source, a.planes, a.side)
    found = []
    for way in ("device", "streamed", "loop"):
        output = folder / f"{way}.ome.zarr"
        found.append(in_its_own_process(a, way, input=source, output=output))
    rate = found[0]["MB_per_s"]
    return [
        {**f, "share_of_device_rate": round(f["MB_per_s"] / rate, 3)} for f in found
    ]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planes", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device-planes", type=int, default=4)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--model", default="fluo-denoise", help="or 'tiny'")
    parser.add_argument("--generated", help="size of a generated stack, such as 20GB")
    parser.add_argument("--channels", type=int, default=1, help="of a generated stack")
    parser.add_argument("--save", default="streaming.json")
    for name in ("way", "input", "output"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.way:
        return in_this_process(a)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if a.model == "tiny" or (a.generated and a.model == "fluo-denoise"):
            a.model = tiny_model(folder)
        if a.generated:
            planes = parse_bytes(a.generated) // (2 * a.side**2)
            a.planes = max(1, planes // a.channels) * a.channels
            output = folder / "out.ome.zarr"
            found = [in_its_own_process(a, "generated", output=output)]
        else:
            found = compare(a, folder)
    Path(a.save).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for line in found:
        print(line)
    return None


if __name__ == "__main__":
    main()
