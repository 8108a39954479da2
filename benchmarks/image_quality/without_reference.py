"""What can be measured without a reference: resolution, empty fields, flicker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from skimage.io import imread

import diffir_core as diffir
from diffir_core import metrics
from image_quality.methods import NOISY, Method
from image_quality.pairs import Image, Pair
from image_quality.real_sets import fmd_repeats
from image_quality.running import ScoreFile, Values
from image_quality.tables import markdown

_PHOTONS = (1.0, 10.0, 100.0)
_GAIN, _READ_NOISE, _OFFSET, _SIDE = 5.0, 8.0, 100.0, 256
_FRAME_PAIRS = 4


def empty_table(methods: list[Method], file: ScoreFile) -> Iterator[str]:
    """Yield what is left of, or invented in, 16-bit fields of pure noise."""
    head = ["method", *(f"{photons:g} photons" for photons in _PHOTONS)]
    rows = []
    for method in methods:
        found = [_empty(method, photons, file) for photons in _PHOTONS]
        cells = [f"{v['spread']:.3f} / {v['share']:.2%}" for v in found]
        rows.append([method.name, *cells])
    return markdown(head, rows)


def _empty(method: Method, photons: float, file: ScoreFile) -> Values:
    def compute() -> Values:
        signal, rng = _GAIN * photons, np.random.default_rng(int(photons))
        shape = (_SIDE, _SIDE)
        noisy = metrics.empty_field(shape, signal, _GAIN, _READ_NOISE, rng) + _OFFSET
        field = np.rint(noisy).astype(np.uint16)
        truth = np.full(shape, signal + _OFFSET)
        restored = method.restore(Pair("empty", "empty", field, truth))
        std = float(np.sqrt(_GAIN * signal + _READ_NOISE**2))
        found = metrics.false_structure(restored, signal + _OFFSET, std)
        return {"spread": found.spread, "share": found.share}

    return file.values(
        f"empty / {photons:g} / {method.name} / {method.version}", compute
    )


def resolution_table(
    methods: list[Method], data: Path, file: ScoreFile
) -> Iterator[str]:
    """Yield the resolution of repeated frames of one field, restored one by one."""
    frames = list(fmd_repeats(data))
    if len(frames) < 2:
        return iter(["There are no repeated frames."])
    rows = []
    for method in methods:
        found = [
            _resolution(method, frames[2 * i], frames[2 * i + 1], file)
            for i in range(min(_FRAME_PAIRS, len(frames) // 2))
        ]
        rows.append([method.name, f"{np.mean(found):.2f}"])
    halves = [np.mean([f.noisy for f in frames[i::2]], axis=0) for i in (0, 1)]
    average = metrics.resolution(*halves)
    rows.append([f"mean of {len(frames) // 2} frames", f"{average:.2f}"])
    return markdown(["method", "resolution, pixels"], rows)


def _resolution(method: Method, one: Pair, other: Pair, file: ScoreFile) -> float:
    def compute() -> Values:
        restored = (method.restore(pair) for pair in (one, other))
        return {"resolution": metrics.resolution(*restored)}

    key = f"resolution / {one.name} / {method.name} / {method.version}"
    return file.values(key, compute)["resolution"]


def flicker_table(model: str, data: Path) -> Iterator[str]:
    """Yield how a real time series flickers, restored as a stack and plane by plane."""
    paths = sorted((data / "clean" / "lysosome_live_16bit").glob("*.tif"))
    if not paths:
        return iter(["There is no time series."])
    stack = imread(paths[0])
    loaded = diffir.load_model(model)
    whole = diffir.restore(stack, loaded, axes="TYX")
    single = np.stack([diffir.restore(p, loaded, axes="YX") for p in stack])
    rows = [
        [NOISY, *_cells(stack, stack)],
        [f"{loaded.name}, the stack", *_cells(whole, stack)],
        [f"{loaded.name}, each plane alone", *_cells(single, stack)],
    ]
    return markdown(["live lysosomes, 16 bit", "planes", "pixels"], rows)


def _cells(restored: Image, given: Image) -> tuple[str, str]:
    found = metrics.flicker(restored, given)
    return f"{found.planes:.2f}", f"{found.pixels:.2f}"
