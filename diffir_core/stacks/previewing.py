"""Planes and regions of a stack as its restoration will have them, one after another.

For viewers: what was computed for a plane is kept, everything is done in small steps,
so that a newer wish need not wait, and a region first comes quickly, then exactly::

    coarse   fewer, larger pixels, as many as can be restored in a fifth of a second
    near     all pixels of the region, with the attention of the region alone
    exact    the whole plane restored, and the region cut out of it

A plane of many megapixels is not restored for a look: there it remains at `near`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffir_core.engine.planes import array_plane
from diffir_core.engine.restorer import Restorer
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks._coarse import Pace, enlarged, thinned
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.planes import MappedPlane, readable_plane
from diffir_core.stacks.preparing import (
    by_channel,
    check_dtype,
    fit_mappings,
    inside,
    read_plane,
    restorer_of_images,
    sampled_planes,
)
from diffir_core.stacks.source import ArraySource

Region = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""
Exactness = Literal["coarse", "near", "exact"]
Features = NDArray[np.float32]
Result = TypeVar("Result")

LARGEST_PLANE = 4096**2
"""Pixels of a plane beyond which it is not restored as a whole for a preview."""
_NEAR_SHARE = 0.5
_KEPT_BYTES = 256_000_000


@dataclass(frozen=True, eq=False)
class RegionPreview:
    """A region of a plane: as it is and as restored, (channels, Y, X) each."""

    plane: PlaneIndex
    region: Region
    exactness: Exactness
    original: NDArray[Any]
    restored: NDArray[Any]
    """In the units and the type of the result, larger by the model's scale."""
    ipr: IPR | None
    """What it was restored under; None while a coarse look guesses it."""


class Previewer:
    """One image under one model; not for several threads at a time, see `twin`."""

    def __init__(self, image: Any, model: Model, axes: str) -> None:
        self.model, self._image, self._axes = model, image, axes
        self.source = ArraySource(image, axes)
        check_dtype(self.source.dtype)
        self.planes = self.source.layout.planes(model.config.in_channels)
        self._mappings: dict[Any, IntensityMapping] = {}
        self._features: dict[Any, Features] = {}
        self._restored: dict[Any, NDArray[Any]] = {}
        self._made: tuple[RestoreOptions, Restorer] | None = None
        # With an IPR yet to be estimated, and without: one costs more.
        self.paces = {True: Pace(), False: Pace()}

    def twin(self) -> Previewer:
        """Give another for another thread; what is known of the image is shared."""
        other = Previewer(self._image, self.model, self._axes)
        other._mappings, other._features = self._mappings, self._features
        return other

    def plane_at(self, position: Sequence[int]) -> PlaneIndex:
        """Give the plane through a point, one index for each axis of the image."""
        for plane in self.planes:
            pairs = zip(plane.selection, position, strict=True)
            if all(i == j for i, j in pairs if isinstance(i, int)):
                return plane
        raise IndexError(f"no plane at {tuple(position)}")

    def fellows(self, plane: PlaneIndex) -> list[PlaneIndex]:
        """Give all planes of a plane's channel."""
        return by_channel(self.planes)[plane.channel]

    def mapping(self, plane: PlaneIndex, options: RestoreOptions) -> IntensityMapping:
        """Give the intensity mapping of a plane's channel, as its restoration has."""
        key = plane.channel, repr(options.intensity)
        if key not in self._mappings:
            fitted = fit_mappings(self.source, self.fellows(plane), options)
            self._mappings[key] = fitted[plane.channel]
        return self._mappings[key]

    def ipr(
        self, plane: PlaneIndex, options: RestoreOptions
    ) -> Generator[None, None, IPR]:
        """Estimate the IPR under which a plane is restored with these options."""
        if options.ipr is not None:
            return options.ipr
        restorer, members = self._restorer(options), [plane]
        if options.ipr_scope != "plane":
            members = sampled_planes(self.fellows(plane))
        features = []
        for member in members:
            one = yield from self._features_of(member, restorer)
            features.append(one)
        mean = np.mean(np.asarray(features, np.float64), axis=0).astype(np.float32)
        return restorer.ipr_from(mean, _words(plane, len(members), options))

    def known_ipr(self, plane: PlaneIndex, options: RestoreOptions) -> IPR | None:
        """Give the IPR if no pixel must be looked at for it."""
        steps = self.ipr(plane, options)
        try:
            next(steps)
        except StopIteration as known:
            return known.value  # type: ignore[no-any-return]
        steps.close()
        return None

    def preview(
        self, plane: PlaneIndex, region: Region, options: RestoreOptions
    ) -> Generator[RegionPreview | IPR | None, None, None]:
        """Restore a region of a plane, ever better.

        Between the looks comes the IPR of the plane, once; None is a step on the way.
        """
        values = read_plane(self.source, plane)
        part, known = inside(values, region), self.known_ipr(plane, options)
        if known is None or self._key(plane, known, options) not in self._restored:
            coarse = yield from self._coarse(plane, part, options, known)
            yield RegionPreview(plane, region, "coarse", part, coarse, known)
        ipr = known or (yield from self.ipr(plane, options))
        yield ipr
        key = self._key(plane, ipr, options)
        if key not in self._restored and part.size < _NEAR_SHARE * values.size:
            near = yield from self._whole(plane, part, options, ipr)
            yield RegionPreview(plane, region, "near", part, near, ipr)
        if key not in self._restored:
            if values[0].size > LARGEST_PLANE:
                return
            self._keep(key, (yield from self._whole(plane, values, options, ipr)))
        restored = self._cut_out(key, region)
        yield RegionPreview(plane, region, "exact", part, restored, ipr)

    def _key(self, plane: PlaneIndex, ipr: IPR, options: RestoreOptions) -> Any:
        rest = options.model_dump(exclude={"ipr", "seed", "steps", "strength"})
        return plane.position, ipr.vector.tobytes(), repr(rest)

    def _keep(self, key: Any, whole: NDArray[Any]) -> None:
        """Keep a restored plane, and drop the oldest ones beyond a quarter of a GB."""
        self._restored[key] = whole
        while sum(one.nbytes for one in self._restored.values()) > _KEPT_BYTES:
            if len(self._restored) == 1:
                return
            self._restored.pop(next(iter(self._restored)))

    def _cut_out(self, key: Any, region: Region) -> NDArray[Any]:
        top, bottom, left, right = (self.model.config.scale * edge for edge in region)
        return inside(self._restored[key], (top, bottom, left, right))

    def _restorer(self, options: RestoreOptions) -> Restorer:
        if self._made is None or self._made[0] != options:
            self._made = options, restorer_of_images(self.model, options)
        return self._made[1]

    def _features_of(
        self, plane: PlaneIndex, restorer: Restorer
    ) -> Generator[None, None, Features]:
        """Give CPEN's features of a plane, or of the options' region of it."""
        options = restorer.options
        mapping = self.mapping(plane, options)
        key = (plane.position, options.region, mapping)
        if key not in self._features:
            values = inside(read_plane(self.source, plane), options.region)
            tiles = readable_plane(values, mapping, self.model.config)
            (found,) = yield from _silently(restorer.features([tiles]))
            self._features[key] = found
        return self._features[key]

    def _coarse(
        self,
        plane: PlaneIndex,
        part: NDArray[Any],
        options: RestoreOptions,
        ipr: IPR | None,
    ) -> Generator[None, None, NDArray[Any]]:
        """Restore fewer pixels, under an IPR of their own if none is known."""
        restorer, mapping = self._restorer(options), self.mapping(plane, options)
        started, (height, width) = time.perf_counter(), part.shape[1:]
        pace = self.paces[ipr is None]
        few = thinned(mapping.to_model(part), *pace.coarse_shape(height, width))
        config = self.model.config
        out = np.empty(
            (config.out_channels, *(config.scale * n for n in few.shape[1:])),
            np.float32,
        )
        job_plane = array_plane(few, config, out)
        if ipr is None:
            (features,) = yield from _silently(restorer.features([job_plane]))
            ipr = restorer.ipr_from(features, "a coarse look")
        yield from _silently(restorer.restore([restorer.job(job_plane, ipr)]))
        pace.learn(few[0].size, time.perf_counter() - started)
        grown = enlarged(out, config.scale * height, config.scale * width)
        return mapping.from_model(grown, options.dtype(self.source.dtype))[0]

    def _whole(
        self,
        plane: PlaneIndex,
        values: NDArray[Any],
        options: RestoreOptions,
        ipr: IPR,
    ) -> Generator[None, None, NDArray[Any]]:
        """Restore values (channels, Y, X) at full resolution, as an image."""
        restorer, dtype = self._restorer(options), options.dtype(self.source.dtype)
        mapping = self.mapping(plane, options)
        mapped = MappedPlane(values, mapping, self.model.config, dtype)
        yield from _silently(restorer.restore([restorer.job(mapped.plane, ipr)]))
        return mapped.restored


def _words(plane: PlaneIndex, count: int, options: RestoreOptions) -> str:
    """Say what an IPR was estimated from."""
    if options.ipr_scope == "plane":
        where = ", ".join(f"{axis}={i}" for axis, i in plane.position)
        return where or "the image"
    region = f", region {options.region}" if options.region else ""
    return f"{count} plane{'s' if count > 1 else ''}{region}"


def _silently(
    steps: Generator[float, None, Result],
) -> Generator[None, None, Result]:
    """Go through steps of work without what they tell of their progress."""
    try:
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            yield None
    finally:
        steps.close()
