"""Planes and regions of a stack as its restoration will have them, one after another.

For viewers: what was computed for a plane is kept, everything is done in small steps,
so that a newer wish need not wait, and a region first comes quickly, then exactly::

    coarse   fewer, larger pixels, as many as can be restored in an eighth of a second
    near     all pixels of the region, with the attention of the region alone
    exact    the whole plane restored, and the region cut out of it

A plane of many megapixels is not restored for a look: there it remains at `near`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from diffir_core._converting import converted
from diffir_core.engine.planes import array_plane
from diffir_core.ipr import IPR
from diffir_core.options import RestoreOptions
from diffir_core.stacks._coarse import Pace, enlarged, middle, thinned
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.channels import restored_channels
from diffir_core.stacks.extremes import seen
from diffir_core.stacks.holes import blanks_of, check_kept
from diffir_core.stacks.plane_iprs import PlaneIPRs, silently
from diffir_core.stacks.planes import MappedPlane
from diffir_core.stacks.reading import inside

Region = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""
Exactness = Literal["coarse", "near", "exact"]

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
    """What it was restored under; None while a coarse look guesses it, and where the
    options have the channel copied."""


class Previewer:
    """Previews of the planes of an image, under the IPRs that it is restored with."""

    def __init__(self, iprs: PlaneIPRs) -> None:
        self.iprs = iprs
        self._restored: dict[Any, NDArray[Any]] = {}
        self.pace = Pace()

    def preview(
        self, plane: PlaneIndex, region: Region, options: RestoreOptions
    ) -> Generator[RegionPreview | IPR | None, None, None]:
        """Restore a region of a plane, ever better.

        Between the looks comes the IPR of the plane, once; None is a step on the way.
        """
        values = self.iprs.values(plane)
        part = inside(values, region)
        if not self._is_restored(plane, options):
            copied, _ = converted(part, options.dtype(part.dtype))
            yield RegionPreview(plane, region, "exact", part, copied, None)
            return
        known = self.iprs.known_ipr(plane, options)
        if known is None or self._key(plane, known, options) not in self._restored:
            coarse = yield from self._coarse(plane, part, options, known)
            yield RegionPreview(plane, region, "coarse", part, coarse, known)
        ipr = known or (yield from self.iprs.ipr(plane, options))
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

    def _is_restored(self, plane: PlaneIndex, options: RestoreOptions) -> bool:
        layout, config = self.iprs.source.layout, self.iprs.model.config
        chosen = restored_channels(layout, config, options)
        return chosen is None or plane.channel in chosen

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
        top, bottom, left, right = (
            self.iprs.model.config.scale * edge for edge in region
        )
        return inside(self._restored[key], (top, bottom, left, right)).copy()

    def _coarse(
        self,
        plane: PlaneIndex,
        part: NDArray[Any],
        options: RestoreOptions,
        ipr: IPR | None,
    ) -> Generator[None, None, NDArray[Any]]:
        """Restore fewer pixels, under a rough guess if their IPR is not known."""
        started, (height, width) = time.perf_counter(), part.shape[1:]
        mapping, config = self.iprs.mapping(plane, options), self.iprs.model.config
        blanks = blanks_of(part, mapping, config)
        values = blanks.input_of(seen(blanks.recorded(), mapping))
        ipr = ipr or (yield from self._guess(values, options))
        few = thinned(values, *self.pace.coarse_shape(height, width))
        shape = (config.scale * few.shape[1], config.scale * few.shape[2])
        out = np.empty((config.out_channels, *shape), np.float32)
        restorer = self.iprs.restorer(options)
        job = restorer.job(array_plane(few, config, out), ipr)
        yield from silently(restorer.restore([job]))
        self.pace.learn(few[0].size, time.perf_counter() - started)
        grown = enlarged(out, config.scale * height, config.scale * width)
        dtype = options.dtype(self.iprs.source.dtype)
        check_kept(part, dtype, config)
        look, _ = mapping.from_model(grown, dtype)
        blanks.put_back(look, scale=config.scale)
        return look

    def _guess(
        self, values: NDArray[np.float32], options: RestoreOptions
    ) -> Generator[None, None, IPR]:
        """Estimate an IPR from the middle of a region, in model units."""
        restorer, part = self.iprs.restorer(options), middle(values)
        nothing = np.empty(0, np.float32)
        plane = array_plane(part, self.iprs.model.config, nothing)
        (features,) = yield from silently(restorer.features([plane]))
        return restorer.ipr_from(features, "a rough guess")

    def _whole(
        self,
        plane: PlaneIndex,
        values: NDArray[Any],
        options: RestoreOptions,
        ipr: IPR,
    ) -> Generator[None, None, NDArray[Any]]:
        """Restore values (channels, Y, X) at full resolution, as an image."""
        mapping, restorer = (
            self.iprs.mapping(plane, options),
            self.iprs.restorer(options),
        )
        dtype = options.dtype(self.iprs.source.dtype)
        mapped = MappedPlane(values, mapping, restorer, dtype)
        job = restorer.job(mapped.plane, ipr)
        if options.attention_scope == "stack":
            job.attention = dict((yield from self.iprs.attention(plane, options, ipr)))
        yield from silently(restorer.restore([job]))
        return mapped.restored()
