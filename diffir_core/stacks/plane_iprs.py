"""The IPRs of the planes of one image, estimated once and then kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffir_core.engine.restorer import Restorer
from diffir_core.intensity import IntensityMapping
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.blanks import is_empty
from diffir_core.stacks.groups import group_of, stack_attention_steps, telling
from diffir_core.stacks.planes import readable_plane
from diffir_core.stacks.reading import (
    check_dtype,
    inside,
    read_plane,
    restorer_of_images,
)
from diffir_core.stacks.source import ArraySource
from diffir_core.stacks.subsampling import by_channel, fit_mappings, sampled_planes

Features = NDArray[np.float32]
Result = TypeVar("Result")


class PlaneIPRs:
    """One image under one model; not for several threads at a time, see `twin`."""

    def __init__(self, image: Any, model: Model, axes: str) -> None:
        self.model, self.image, self.axes = model, image, axes
        self.source = ArraySource(image, axes)
        check_dtype(self.source.dtype)
        self.planes = self.source.layout.planes(model.config.image_channels)
        self._mappings: dict[Any, IntensityMapping] = {}
        self._features: dict[Any, tuple[Features, bool]] = {}
        self._values: tuple[PlaneIndex, NDArray[Any]] | None = None
        self._attention: tuple[Any, dict[str, Tensor]] | None = None
        self._made: tuple[RestoreOptions, Restorer] | None = None

    def twin(self) -> PlaneIPRs:
        """Give another for another thread; what is known of the image is shared."""
        other = PlaneIPRs(self.image, self.model, self.axes)
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
        key = plane.channel, repr(options.intensity), options.negative
        if key not in self._mappings:
            fitted = fit_mappings(self.source, self.fellows(plane), self.model, options)
            self._mappings[key] = fitted[plane.channel]
        return self._mappings[key]

    def ipr(
        self, plane: PlaneIndex, options: RestoreOptions
    ) -> Generator[None, None, IPR]:
        """Estimate the IPR under which a plane is restored with these options."""
        if options.ipr is not None:
            return options.ipr
        restorer, members = self.restorer(options), [plane]
        if options.ipr_scope != "plane":
            members = sampled_planes(self._sharing(plane, options))
        found = []
        for member in members:
            one = yield from self._features_of(member, restorer)
            found.append(one)
        told = np.asarray(telling(found), np.float64)
        mean = np.mean(told, axis=0).astype(np.float32)
        return restorer.ipr_from(mean, _words(plane, len(members), options))

    def attention(
        self, plane: PlaneIndex, options: RestoreOptions, ipr: IPR
    ) -> Generator[None, None, dict[str, Tensor]]:
        """Give the attention that all planes of a plane's channel share."""
        restorer, mapping = self.restorer(options), self.mapping(plane, options)
        key = plane.channel, ipr.vector.tobytes(), mapping, restorer.settled
        if self._attention is None or self._attention[0] != key:
            fellows = self.fellows(plane)
            found = yield from silently(
                stack_attention_steps(self.source, fellows, restorer, mapping, ipr)
            )
            self._attention = key, found
        return self._attention[1]

    def _sharing(self, plane: PlaneIndex, options: RestoreOptions) -> list[PlaneIndex]:
        """Give the planes that are restored under the same IPR as this one."""
        group = group_of(plane, options)
        return [other for other in self.planes if group_of(other, options) == group]

    def known_ipr(self, plane: PlaneIndex, options: RestoreOptions) -> IPR | None:
        """Give the IPR if no pixel must be looked at for it."""
        steps = self.ipr(plane, options)
        try:
            next(steps)
        except StopIteration as known:
            return known.value  # type: ignore[no-any-return]
        steps.close()
        return None

    def values(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read a plane, (channels, Y, X); the last one is kept: it may be lazy."""
        if self._values is None or self._values[0] != plane:
            self._values = plane, read_plane(self.source, plane)
        return self._values[1]

    def restorer(self, options: RestoreOptions) -> Restorer:
        """Give a restorer with these options; the last one is kept."""
        if self._made is None or self._made[0] != options:
            self._made = options, restorer_of_images(self.model, options)
        return self._made[1]

    def _features_of(
        self, plane: PlaneIndex, restorer: Restorer
    ) -> Generator[None, None, tuple[Features, bool]]:
        """Give CPEN's features of a plane, or of its region, and if it is empty."""
        options = restorer.options
        mapping = self.mapping(plane, options)
        key = (plane.position, options.region, mapping)
        if key not in self._features:
            yield None  # Here `known_ipr` ends, before any work.
            values = inside(self.values(plane), options.region)
            tiles = readable_plane(values, mapping, self.model.config)
            (found,) = yield from silently(restorer.features([tiles]))
            self._features[key] = found, is_empty(values, mapping)
        return self._features[key]


def _words(plane: PlaneIndex, count: int, options: RestoreOptions) -> str:
    """Say what an IPR was estimated from."""
    if options.ipr_scope == "plane":
        where = ", ".join(f"{axis}={i}" for axis, i in plane.position)
        return where or "the image"
    region = f", region {options.region}" if options.region else ""
    return f"{count} plane{'s' if count > 1 else ''}{region}"


def silently(
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
