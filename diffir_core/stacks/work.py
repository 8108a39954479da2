"""A stack cut into units of work, and how one unit is read and restored.

Whoever has the same source, model and options, one process or many on a cluster, makes
the same `StackWork` of them, and restores any of its units to the same bytes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core.config import ModelConfig
from diffir_core.engine.restorer import Restorer
from diffir_core.intensity import converted
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.channels import restored_channels
from diffir_core.stacks.planes import MappedPlane
from diffir_core.stacks.reading import check_dtype, read_plane, restorer_of_images
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import Unit, UnitValues, checksum, units_of

_BATCH_PIXELS = 1 << 18
_UNITS_AHEAD = 2
_UNITS_BEHIND = 2
_PYRAMID_SHARE = 4 / 3


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the last digits of a result depend on, beside source, model and options.

    A resumed run takes those it was begun under, and all workers take the same.
    """

    batch: int
    """Planes of a unit; the last may have fewer."""
    budget_bytes: int | None
    threads: int


@dataclass(frozen=True)
class StackWork:
    """The units of a stack, with all that restoring any of them takes."""

    source: StackSource
    restorer: Restorer
    units: tuple[Unit, ...]
    conditions: Conditions
    chosen: frozenset[int] | None
    """The channels that are restored, others are copied; None is all."""
    dtype: np.dtype[Any]
    """Of the result."""

    @property
    def planes(self) -> list[PlaneIndex]:
        """Give all planes in their order."""
        return [plane for unit in self.units for plane in unit.planes]

    @property
    def restored_planes(self) -> list[PlaneIndex]:
        """Give the planes that are restored, in their order."""
        return [plane for plane in self.planes if self.is_restored(plane)]

    def is_restored(self, plane: PlaneIndex) -> bool:
        """Tell whether a plane is restored, or only copied."""
        return self.chosen is None or plane.channel in self.chosen

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Give the shape of the result: Y and X times the model's scale."""
        layout, scale = self.source.layout, self.restorer.config.scale
        return tuple(
            size * scale if axis in "YX" else size
            for axis, size in zip(layout.axes, layout.shape, strict=True)
        )

    def sharing_memory(self, processes: int) -> StackWork:
        """Give this work for several processes, each with its share of the budget."""
        budget = self.conditions.budget_bytes
        if budget is None or processes == 1:
            return self
        self.restorer.memory.limit_bytes = budget // processes
        shared = replace(self.conditions, budget_bytes=budget // processes)
        return replace(self, conditions=shared)

    def read(self, unit: Unit) -> UnitValues:
        """Read a unit from the source."""
        planes = [read_plane(self.source, plane) for plane in unit.planes]
        return UnitValues(unit, planes, tuple(checksum(values) for values in planes))

    def restore(
        self, read: UnitValues, statistics: StackStatistics
    ) -> Generator[float, None, UnitValues]:
        """Restore what was read; yield the fraction done, return the result."""
        done = UnitValues(read.unit, [], read.read)
        before = self.restorer.tiles_done
        mapped = [
            self._mapped(plane, values, statistics)
            for plane, values in zip(read.unit.planes, read.planes, strict=True)
        ]
        yield from self._restore(read.unit, mapped, statistics, done)
        done.tiles = self.restorer.tiles_done - before
        for plane, values in zip(mapped, read.planes, strict=True):
            if plane:
                result, clipped = plane.restored(), plane.clipped
            else:
                result, clipped = converted(values, self.dtype)
            done.planes.append(result)
            done.clipped += clipped
        return done

    def _mapped(
        self, plane: PlaneIndex, values: NDArray[Any], statistics: StackStatistics
    ) -> MappedPlane | None:
        if not self.is_restored(plane):
            return None
        mapping = statistics.mappings[plane.channel]
        return MappedPlane(values, mapping, self.restorer, self.dtype)

    def _restore(
        self,
        unit: Unit,
        mapped: list[MappedPlane | None],
        statistics: StackStatistics,
        done: UnitValues,
    ) -> Generator[float, None, None]:
        work = [
            (values.plane, statistics.shared_of(plane))
            for plane, values in zip(unit.planes, mapped, strict=True)
            if values is not None
        ]
        if not work:
            return
        restorer = self.restorer
        own = [plane for plane, shared in work if shared.ipr is None]
        features = iter((yield from _without_progress(restorer.features(own))))
        jobs = []
        for plane, shared in work:
            ipr = shared.ipr
            if ipr is None:
                ipr = restorer.ipr_from(next(features), "")
                done.iprs.append(ipr.vector)
            job = restorer.job(plane, ipr)
            given = shared.attention or {}
            job.attention = {k: m.to(restorer.device) for k, m in given.items()}
            jobs.append(job)
        yield from restorer.restore(jobs)


def prepare(
    source: StackSource,
    model: Model,
    options: RestoreOptions,
    conditions: Conditions | None = None,
) -> StackWork:
    """Check that a stack can be restored, and cut it into units."""
    check_dtype(source.dtype)
    restorer = restorer_of_images(
        model, options, conditions.threads if conditions else None
    )
    layout = source.layout
    planes = layout.planes(model.config.in_channels)
    chosen = restored_channels(layout, model.config, options)
    dtype, memory = options.dtype(source.dtype), restorer.memory

    def waiting(batch: int) -> int:
        if restorer.device.type != "cpu":
            return 0
        return _waiting_bytes(source, model.config, dtype, len(planes), batch)

    if conditions is None:
        size = (layout.size("Y"), layout.size("X"))
        most = min(len(planes), _BATCH_PIXELS // (size[0] * size[1]))
        most = min(most, restorer.largest_batch())
        batch = memory.fitting_batch(*size, most, waiting)
        conditions = Conditions(batch, memory.limit_bytes, restorer.workers.count)
    memory.limit_bytes = conditions.budget_bytes
    memory.reserved_bytes = waiting(conditions.batch)
    units = units_of(planes, conditions.batch)
    return StackWork(source, restorer, units, conditions, chosen, dtype)


def waiting_bytes(work: StackWork) -> int:
    """Give what the units take that wait to be restored or written."""
    batch, config = work.conditions.batch, work.restorer.config
    return _waiting_bytes(work.source, config, work.dtype, len(work.planes), batch)


def _waiting_bytes(
    source: StackSource,
    config: ModelConfig,
    dtype: np.dtype[Any],
    planes: int,
    batch: int,
) -> int:
    pixels = source.layout.size("Y") * source.layout.size("X") * batch
    others = -(-planes // batch) - 1
    read = pixels * config.in_channels * source.dtype.itemsize
    written = pixels * config.scale**2 * config.out_channels * dtype.itemsize
    ahead, behind = min(others, _UNITS_AHEAD), min(others, _UNITS_BEHIND)
    return int(ahead * read + behind * written * _PYRAMID_SHARE)


def _without_progress(
    steps: Generator[float, None, list[NDArray[np.float32]]],
) -> Generator[float, None, list[NDArray[np.float32]]]:
    """Run steps that are too short to count, but can still be cancelled."""
    try:
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            yield 0.0
    finally:
        steps.close()
