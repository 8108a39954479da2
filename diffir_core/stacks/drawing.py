"""Restorations that differ in what might have been otherwise, drawn one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, repeat
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.noise import NoiseModel
from diffir_core.stacks.planes import MappedPlane, readable_plane

SampleKind = Literal["noise", "symmetries", "ipr", "seeds"]
Image = NDArray[np.float32]

_BATCH_PIXELS = 1 << 22
"""Of more at once nothing is gained."""
_AS_IT_IS, _FLOAT32 = IntensityMapping(offset=0.0, scale=1.0), np.dtype(np.float32)
"""Samples are restored in model units."""


def draw_samples(
    restorer: Restorer,
    values: Image,
    count: int,
    kind: SampleKind,
    generator: np.random.Generator,
) -> Iterator[Image | float]:
    """Draw restorations (channels, Y, X) in model units; also yield steps towards.

    A step says how many samples it brings the next ones nearer.
    """
    if kind == "symmetries":
        for which in range(count):
            for step in _restored(restorer, [_turned(values, which)]):
                yield step if isinstance(step, float) else _turned_back(step, which)
        return
    if kind == "noise":
        first = values
        for step in _restored(restorer, [values]):
            if isinstance(step, float):
                yield 0.0
            else:
                first = step
        noise = NoiseModel.fitted(values, first)
        drawn = (noise.draw(first, generator) for _ in range(count))
        yield from _restored(restorer, drawn)
        return
    iprs = _iprs(restorer, values, count, kind, generator)
    yield from _restored(restorer, repeat(values, count), iprs)


def _iprs(
    restorer: Restorer,
    values: Image,
    count: int,
    kind: SampleKind,
    generator: np.random.Generator,
) -> list[IPR]:
    if kind == "seeds":
        (features,) = _features(restorer, [values])
        seeds = [int(seed) for seed in generator.integers(0, 2**62, count)]
        return [restorer.ipr_from(features, "", seed) for seed in seeds]
    estimate = restorer.options.ipr
    if estimate is None:
        estimate = restorer.ipr_from(_features(restorer, [values])[0], "")
    statistics = restorer.model.statistics
    if statistics is None:
        return [estimate] * count
    # The truth is the estimate minus its error.
    return [
        replace(estimate, vector=estimate.vector - error)
        for error in statistics.errors(count, generator)
    ]


def _restored(
    restorer: Restorer, images: Iterable[Image], iprs: Iterable[IPR] | None = None
) -> Iterator[Image | float]:
    """Restore images of one size, as many at once as are worth it and fit the memory.

    Each has its IPR of `iprs`, that of the options, or its own.
    """
    images, size = iter(images), 1
    if iprs is None and restorer.options.ipr is not None:
        iprs = repeat(restorer.options.ipr)
    iprs = iter(iprs) if iprs is not None else None
    while some := list(islice(images, size)):
        if size == 1:
            size = _batch(restorer, some[0])
            some += islice(images, size - 1)
        if iprs is not None:
            own = list(islice(iprs, len(some)))
        else:
            own = [restorer.ipr_from(f, "") for f in _features(restorer, some)]
        planes = [MappedPlane(image, _AS_IT_IS, restorer, _FLOAT32) for image in some]
        jobs = [
            restorer.job(plane.plane, ipr)
            for plane, ipr in zip(planes, own, strict=True)
        ]
        for fraction in restorer.restore(jobs):
            yield fraction * len(jobs)
        yield from (plane.restored() for plane in planes)


def _batch(restorer: Restorer, image: Image) -> int:
    """Give how many images are restored at once, each with its raw and its result."""
    height, width = image.shape[1:]
    pixels = height * width
    values = len(image) + restorer.config.out_channels * restorer.config.scale**2

    def waiting(count: int) -> int:
        return 4 * pixels * values * count if restorer.device.type == "cpu" else 0

    most = min(restorer.largest_batch(), _BATCH_PIXELS // pixels)
    return restorer.memory.fitting_batch(height, width, most, waiting)


def _features(restorer: Restorer, images: list[Image]) -> list[Image]:
    config = restorer.config
    return exhaust(
        restorer.features(
            [readable_plane(image, _AS_IT_IS, config) for image in images]
        )
    )


def _turned(image: Image, which: int) -> Image:
    """Give one of the eight flips and rotations of (channels, y, x)."""
    image = np.rot90(image, which % 4, axes=(-2, -1))
    return np.ascontiguousarray(image[..., ::-1] if which >= 4 else image)


def _turned_back(image: Image, which: int) -> Image:
    """Undo `_turned`."""
    image = image[..., ::-1] if which >= 4 else image
    return np.ascontiguousarray(np.rot90(image, -(which % 4), axes=(-2, -1)))
