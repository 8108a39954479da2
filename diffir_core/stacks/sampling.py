"""Several restorations of an image that might all be true: their mean and spread.

What varies between them decides what the spread can tell::

    noise      the restored image gets new camera noise and is restored again: how
               much of the result the noise has decided (a parametric bootstrap)
    symmetries the image is flipped and turned, restored, and turned back
    ipr        the IPR is drawn around its estimate, as far off as it was in training
    seeds      other start noises of the diffusion
"""

from __future__ import annotations

from collections.abc import Generator
from numbers import Integral
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.workers import exhaust
from diffir_core.errors import InputError
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.blanks import Blanks
from diffir_core.stacks.drawing import Image, SampleKind, draw_samples
from diffir_core.stacks.reading import check_dtype, read_plane, restorer_of_images
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import by_channel, fit_mappings


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
        chosen = chosen.replace(average_flips=False)
    samples, seed = _whole(samples, "samples"), _whole(seed, "seed")
    _check(model, samples, seed, kind, chosen)
    source, restorer = ArraySource(image, axes), restorer_of_images(model, chosen)
    check_dtype(source.dtype)
    planes = source.layout.planes(model.config.in_channels)
    if mapping is None:
        mappings = fit_mappings(source, planes, model, chosen)
    else:
        mappings = dict.fromkeys(by_channel(planes), mapping)
    mean, deviation = (_empty(source, model) for _ in range(2))
    for number, plane in enumerate(planes):
        units = mappings[plane.channel]
        raw = read_plane(source, plane)
        blanks = Blanks(raw, units)
        values = units.to_model(blanks.filled())
        generator = np.random.default_rng((seed, number))
        found = _Moments()
        for step in draw_samples(restorer, values, samples, kind, generator):
            if isinstance(step, float):
                done = min(samples, found.count + step)
                yield (number + done / samples) / len(planes)
            else:
                found.add(step)
        middle = found.mean * units.scale + units.offset
        spread = found.deviation() * abs(units.scale)
        blanks.put_back(middle, scale=model.config.scale)
        blanks.put_zero(spread, model.config.scale)
        plane.put(mean, middle)
        plane.put(deviation, spread)
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


def _whole(value: Any, name: str) -> int:
    """Take any kind of whole number, such as numpy's."""
    if not isinstance(value, Integral):
        raise InputError(f"{name} is {value!r}; choose a whole number.")
    return int(value)


def _check(
    model: Model, samples: int, seed: int, kind: str, options: RestoreOptions
) -> None:
    if kind not in get_args(SampleKind):
        raise InputError(
            f"kind is '{kind}'; it must be one of {', '.join(get_args(SampleKind))}."
        )
    most = 8 if kind == "symmetries" else 1000
    if not 2 <= samples <= most:
        raise InputError(f"samples is {samples}; choose 2 to {most} for '{kind}'.")
    if seed < 0:
        raise InputError(f"seed is {seed}; choose 0 or more.")
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


def _empty(source: ArraySource, model: Model) -> Image:
    layout, scale = source.layout, model.config.scale
    shape = [
        size * scale if axis in "YX" else size
        for axis, size in zip(layout.axes, layout.shape, strict=True)
    ]
    return np.empty(shape, np.float32)
