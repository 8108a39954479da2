"""Measure what a megapixel costs on this machine's CPU, and on its GPU if there is one.

    python tools/measure_cost.py fluo-denoise [...] --json costs.json

`tools/ship_model.py --costs costs.json` puts it into the model's card.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from diffir_core import Model, RestoreOptions, load_model, restore

Costs = dict[str, str]


def main() -> None:
    """Print and write the costs of each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="Names or files.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    costs = {name: measured(load_model(name)) for name in options.models}
    text = json.dumps(costs, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


def measured(model: Model) -> Costs:
    """Give the cost of a megapixel of input, by device."""
    costs = {f"ms per megapixel on {_processor()}": _milliseconds(model, "cpu")}
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        costs[f"ms per megapixel on {name}"] = _milliseconds(model, "cuda")
    return costs


def _milliseconds(model: Model, device: str) -> str:
    """Time a plane of 16 bits, the median of three after one to warm up."""
    image = np.random.default_rng(0).integers(0, 4096, (1024, 1024)).astype(np.uint16)
    options, seconds = RestoreOptions(device=device), []
    for _ in range(4):
        started = time.perf_counter()
        restore(image, model, axes="YX", options=options)
        seconds.append(time.perf_counter() - started)
    return f"{1000 * statistics.median(seconds[1:]) / (image.size / 1e6):.0f}"


def _processor() -> str:
    """Name the processor and how many cores are at hand."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}"


if __name__ == "__main__":
    main()
