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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.workers import exhaust
from diffir_core.intensity import IntensityMapping
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks._sampling_checks import check_drawing, whole_number
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
    samples, seed = whole_number(samples, "samples"), whole_number(seed, "seed")
    check_drawing(model, samples, seed, kind, chosen)
    source, restorer = ArraySource(image, axes), restorer_of_images(model, chosen)
    check_dtype(source.dtype)
    planes = source.layout.planes(model.config.image_channels)
    if mapping is None:
        mappings = fit_mappings(source, planes, model, chosen)
    else:
        mappings = dict.fromkeys(by_channel(planes), mapping)
    mean, deviation = (_empty(source, model) for _ in range(2))
    for number, plane in enumerate(planes):
        units = mappings[plane.channel]
        blanks = Blanks(read_plane(source, plane), units)
        values = units.to_model(blanks.filled())
        generator = np.random.default_rng((seed, number))
        drawing = draw_samples(restorer, values, samples, kind, generator)
        moments = _Moments()
        for done in moments.taking(drawing):
            yield (number + min(1.0, done / samples)) / len(planes)
        middle, spread = moments.in_units(units)
        blanks.put_back(middle, scale=model.config.scale)
        blanks.put_zero(spread, model.config.scale)
        plane.put(mean, middle)
        plane.put(deviation, spread)
    return mean, deviation


class _Moments:
    """Mean and deviation of images that come one by one (Welford, 1962)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = np.zeros(1)

    def taking(self, drawing: Iterable[float | Image]) -> Iterator[float]:
        """Take images as they come; give how many, with parts of the one on its way."""
        for step in drawing:
            if isinstance(step, float):
                yield self.count + step
            else:
                self._add(step)

    def in_units(
        self, mapping: IntensityMapping
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give mean and deviation in the units that a mapping was made from."""
        deviation = np.sqrt(self._squares / (self.count - 1))
        middle = self._mean * mapping.scale + mapping.offset
        return middle, deviation * abs(mapping.scale)

    def _add(self, image: Image) -> None:
        self.count += 1
        off = image - self._mean
        self._mean = self._mean + off / self.count
        self._squares = self._squares + off * (image - self._mean)


def _empty(source: ArraySource, model: Model) -> Image:
    layout, scale = source.layout, model.config.scale
    shape = [
        size * scale if axis in "YX" else size
        for axis, size in zip(layout.axes, layout.shape, strict=True)
    ]
    return np.empty(shape, np.float32)
