"""The work behind the IPR controls, as generators for any thread; no layer, no Qt."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from napari_diffir._ipr_choice import Choice
from napari_diffir._ipr_state import ImageChoice, PlaneMap, Sight, Spread

if TYPE_CHECKING:
    from diffir_core.model import Model
    from diffir_core.stacks.drawing import SampleKind
    from diffir_core.stacks.plane_iprs import PlaneIPRs
    from diffir_core.stacks.previewing import Previewer
    from napari_diffir._scripting import RestoreResult


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be looked at, and how."""

    image: ImageChoice
    model_name: str
    choice: Choice
    sight: Sight | None
    is_live: bool

    def is_same(self, other: Order | None) -> bool:
        """Tell whether another would come to the same."""
        return (
            other is not None
            and self.image.is_same(other.image)
            and (self.model_name, self.choice, self.sight, self.is_live)
            == (other.model_name, other.choice, other.sight, other.is_live)
        )


@dataclass(frozen=True, eq=False)
class IPRFound:
    """The IPR of the plane in sight, and how unlike training the image is."""

    ipr: IPR
    distance: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a long work is done, 0 to 1."""

    done: float


_Version = tuple[int, int] | None


def _version_of(name: str) -> _Version:
    """Tell apart what a weights file holds before and after more training."""
    try:
        found = Path(name).stat()
    except OSError:
        return None  # A shipped model.
    return found.st_mtime_ns, found.st_size


class Studio:
    """Loads a model and looks at an image once, in whichever thread asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, tuple[_Version, Model]] = {}
        self._image: ImageChoice | None = None
        self._previewer: Previewer | None = None
        self._twin: PlaneIPRs | None = None

    def model(self, name: str) -> Model:
        """Give a model as its file is now; the last one stays loaded."""
        from diffir_core.checkpoint import load_model

        version = _version_of(name)
        with self._lock:
            if name not in self._models or self._models[name][0] != version:
                self._models = {name: (version, load_model(name))}
                self._previewer = self._twin = None
            return self._models[name][1]

    def loaded(self, name: str) -> Model | None:
        """Give a model if it is loaded."""
        known = self._models.get(name)
        return None if known is None else known[1]

    def previewer(self, order: Order) -> Previewer:
        """Give the previewer of an image."""
        from diffir_core.stacks.plane_iprs import PlaneIPRs
        from diffir_core.stacks.previewing import Previewer

        image, model = order.image, self.model(order.model_name)
        with self._lock:
            if self._previewer is None or not image.is_same(self._image):
                iprs = PlaneIPRs(image.data, model, image.axes)
                self._image, self._twin = image, iprs.twin()
                self._previewer = Previewer(iprs)
            return self._previewer

    def iprs(self, order: Order) -> PlaneIPRs:
        """Give the IPRs of an image to those who work beside the previews."""
        self.previewer(order)
        return self._twin  # type: ignore[return-value]

    def forget_image(self) -> None:
        """Let the pixels go; the model stays."""
        with self._lock:
            self._image = self._previewer = self._twin = None


def look_steps(studio: Studio, order: Order) -> Generator[Any, None, None]:
    """Yield the model, the IPR of the plane in sight, and previews of its region."""
    model = studio.model(order.model_name)
    yield model
    if order.sight is None:
        return
    options = order.choice.options(model)
    previewer = studio.previewer(order)
    plane = previewer.iprs.plane_at(order.sight.position)
    if not order.is_live:
        yield _found((yield from previewer.iprs.ipr(plane, options)), model)
        return
    _refuse_colour(order, model)
    for look in previewer.preview(plane, order.sight.region, options):
        yield _found(look, model) if isinstance(look, IPR) else look


def _refuse_colour(order: Order, model: Model) -> None:
    """Say what to do with an RGB layer whose channels are restored one by one."""
    if "S" in order.image.axes and model.config.image_channels == 1:
        raise InputError(
            f"'{model.name}' restores one channel at a time, and only all three can be "
            "shown in an RGB layer; split it (right click, Split RGB) to look at them."
        )


def _found(ipr: IPR, model: Model) -> IPRFound:
    from diffir_core.ipr_steering import ipr_distance

    return IPRFound(ipr, ipr_distance(ipr, model) if model.statistics else None)


def map_steps(studio: Studio, order: Order) -> Generator[Any, None, None]:
    """Yield shares, and at last the map of the planes of the channel in sight."""
    from diffir_core.ipr_map import ipr_map

    estimator = studio.iprs(order)
    first = estimator.planes[0]
    here = estimator.plane_at(order.sight.position) if order.sight else first
    planes = estimator.fellows(here)
    options = order.choice.of_each_plane()
    iprs = []
    for plane in planes:
        one = yield from estimator.ipr(plane, options)
        iprs.append(one)
        yield Share(len(iprs) / len(planes))
    yield PlaneMap(tuple(plane.position for plane in planes), ipr_map(iprs))


def spread_steps(
    studio: Studio, order: Order, kind: SampleKind, samples: int
) -> Generator[Any, None, None]:
    """Yield shares, and at last the deviation of the region in sight."""
    from diffir_core.stacks.reading import inside
    from diffir_core.stacks.sampling import restore_samples_steps

    if order.sight is None:
        raise InputError("Show the layer in 2-D first, to measure what is in view.")
    estimator, choice = studio.iprs(order), order.choice
    _refuse_colour(order, estimator.model)
    plane = estimator.plane_at(order.sight.position)
    part = inside(estimator.values(plane), order.sight.region)
    options = choice.options(estimator.model)
    if options.ipr_scope != "plane":  # Of more than the region: no sample changes it.
        ipr = yield from estimator.ipr(plane, options)
        fixed = replace(choice, use="slots", a=ipr, b=None, weight=0.0, strength=1.0)
        options = fixed.options(estimator.model)
    options = options.replace(attention_scope="plane", channels=None, output_dtype=None)
    work = restore_samples_steps(
        part if len(part) > 1 else part[0],
        estimator.model,
        axes="CYX" if len(part) > 1 else "YX",
        samples=samples,
        seed=choice.seed,
        kind=kind,
        options=options,
        mapping=estimator.mapping(plane, options),
    )
    _, deviation = yield from _sharing(work)
    if deviation.ndim == 2:
        deviation = deviation[None]
    yield Spread(plane, order.sight.region, deviation, kind, samples)


@dataclass(frozen=True, eq=False)
class Restored:
    """A whole layer, restored."""

    result: RestoreResult


def layer_steps(studio: Studio, order: Order) -> Generator[Any, None, None]:
    """Yield shares, and at last the restored layer."""
    from napari_diffir._scripting import restore_steps

    options = order.choice.options(studio.model(order.model_name))
    image = order.image
    work = restore_steps(image.data, image.axes, order.model_name, options)
    yield Restored((yield from _sharing(work)))


def _sharing(work: Generator[Any, None, Any]) -> Generator[Share, None, Any]:
    """Pass on how much is done: as a number, or as a progress that has one."""
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as finished:
                return finished.value
            yield Share(step if isinstance(step, float) else step.fraction)
    finally:
        work.close()
