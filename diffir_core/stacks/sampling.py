"""Several restorations of an image that might all be true: their mean and spread.

What varies between them decides what the spread can tell::

    noise      the restored image gets new camera noise and is restored again: how
               much of the result the noise has decided (a parametric bootstrap)
    symmetries the image is flipped and turned, restored, and turned back
    ipr        the IPR is drawn around its estimate, as far off as it was in training
    seeds      other start noises of the diffusion
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from itertools import islice, repeat
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.restorer import Restorer
from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.noise import NoiseModel
from diffir_core.options import RestoreOptions
from diffir_core.stacks.planes import MappedPlane, readable_plane
from diffir_core.stacks.preparing import (
    by_channel,
    check_dtype,
    fit_mappings,
    read_plane,
    restorer_of_images,
)
from diffir_core.stacks.source import ArraySource

SampleKind = Literal["noise", "symmetries", "ipr", "seeds"]
Image = NDArray[np.float32]

_BATCH_PIXELS = 1 << 22
"""Of more at once nothing is gained."""
_AS_IT_IS, _FLOAT32 = IntensityMapping(offset=0.0, scale=1.0), np.dtype(np.float32)
"""Samples are restored in model units."""


def restore_samples(
    image: Any,
    model: Model,
    *,
    axes: str,
    samples: int = 8,
    seed: int = 0,
    kind: SampleKind = "noise",
    options: RestoreOptions | None = None,
) -> tuple[Image, Image]:
    """Restore an image several times; give mean and standard deviation of each pixel.

    The deviation tells where the result would have come out otherwise, not how far it
    is from the truth: what a model always gets wrong has no spread.

    Parameters
    ----------
    image
        Array-like of real numbers.
    model
        A stage-2 model; for ``kind="ipr"`` one with statistics of its errors.
    axes
        One letter a dimension.
    samples
        At least 2; of the eight symmetries at most 8.
    seed
        Of all that is drawn.
    kind
        What varies, see above.
    options
        Its device, memory, precision, intensity, steps, strength and IPR hold; a given
        IPR restores every sample, so that other seeds would not matter.

    Returns
    -------
    Mean and standard deviation, both float32 in the units of the image, of its shape
    (Y and X times the model's scale).
    """
    steps = restore_samples_steps(
        image,
        model,
        axes=axes,
        samples=samples,
        seed=seed,
        kind=kind,
        options=options,
    )
    return exhaust(steps)


def restore_samples_steps(
    image: Any,
    model: Model,
    *,
    axes: str,
    samples: int = 8,
    seed: int = 0,
    kind: SampleKind = "noise",
    options: RestoreOptions | None = None,
    mapping: IntensityMapping | None = None,
) -> Generator[float, None, tuple[Image, Image]]:
    """Do as `restore_samples` does, and yield the fraction done after each strip.

    A part of an image is given the mapping of the whole.
    """
    chosen = options or RestoreOptions()
    if kind == "symmetries":  # Whose mean has none.
        chosen = chosen.replace(average_symmetries=False)
    _check(model, samples, kind, chosen)
    source, restorer = ArraySource(image, axes), restorer_of_images(model, chosen)
    check_dtype(source.dtype)
    planes = source.layout.planes(model.config.in_channels)
    if mapping is None:
        mappings = fit_mappings(source, planes, chosen)
    else:
        mappings = dict.fromkeys(by_channel(planes), mapping)
    mean, deviation = (_empty(source, model) for _ in range(2))
    for number, plane in enumerate(planes):
        units = mappings[plane.channel]
        values = units.to_model(read_plane(source, plane))
        generator = np.random.default_rng((seed, number))
        found = _Moments()
        for step in _samples(restorer, values, samples, kind, generator):
            if isinstance(step, float):
                done = min(samples, found.count + step)
                yield (number + done / samples) / len(planes)
            else:
                found.add(step)
        plane.put(mean, found.mean * units.scale + units.offset)
        plane.put(deviation, found.deviation() * units.scale)
    return mean, deviation


class _Moments:
    """Mean and deviation of images that come one by one (Welford, 1962)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self._squares = np.zeros(1)

    def add(self, image: Image) -> None:
        self.count += 1
        off = image - self.mean
        self.mean = self.mean + off / self.count
        self._squares = self._squares + off * (image - self.mean)

    def deviation(self) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(self._squares / (self.count - 1)))


def _check(model: Model, samples: int, kind: str, options: RestoreOptions) -> None:
    if kind not in get_args(SampleKind):
        raise InputError(
            f"kind is '{kind}'; it must be one of {', '.join(get_args(SampleKind))}."
        )
    most = 8 if kind == "symmetries" else 1000
    if not 2 <= samples <= most:
        raise InputError(f"samples is {samples}; choose 2 to {most} for '{kind}'.")
    if not isinstance(samples, int):
        raise InputError(f"samples is {samples}; choose a whole number.")
    _refuse_unused(options)
    if kind == "seeds" and options.ipr is not None:
        raise InputError(
            "The IPR is given, and no start noise decides anything any more; choose "
            "another kind, such as 'noise'."
        )
    statistics = model.statistics
    if kind == "ipr" and (statistics is None or statistics.error_covariance is None):
        raise InputError(
            f"'{model.name}' was stored without the errors of its IPRs; choose another "
            "kind, such as 'noise', or a model trained with this version."
        )
    if kind == "noise" and model.config.scale != 1:
        raise InputError(
            f"'{model.name}' enlarges images, whose noise cannot be read off the "
            "result; choose kind 'symmetries'."
        )


def _refuse_unused(options: RestoreOptions) -> None:
    """Refuse what would be ignored."""
    usual = RestoreOptions(output_dtype="float32")
    if options.output_dtype is None:
        options = options.replace(output_dtype="float32")
    for name in ("ipr_scope", "attention_scope", "channels", "output_dtype"):
        value = getattr(options, name)
        if value != getattr(usual, name):
            raise InputError(
                f"{name} is {value!r}, which samples know nothing of: each plane is "
                "restored on its own, all channels, to float32; leave it out."
            )


def _samples(
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

    most = max(1, _BATCH_PIXELS // pixels)
    return restorer.fitting_batch(height, width, most, waiting)


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


def _empty(source: ArraySource, model: Model) -> Image:
    layout, scale = source.layout, model.config.scale
    shape = [
        size * scale if axis in "YX" else size
        for axis, size in zip(layout.axes, layout.shape, strict=True)
    ]
    return np.empty(shape, np.float32)
