"""The units of work of a stack, and how one of them is read and restored.

Whoever has the same source, model and options, one process or many on a cluster, makes
the same `StackWork` of them, and restores any of its units to the same bytes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffir_core._converting import converted
from diffir_core.engine.restorer import Restorer
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.holes import check_kept
from diffir_core.stacks.planes import MappedPlane
from diffir_core.stacks.reading import read_plane
from diffir_core.stacks.source import StackSource
from diffir_core.stacks.statistics import StackStatistics
from diffir_core.stacks.units import Unit, UnitValues, checksum


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
    held_bytes: int = 0
    """What deep chunks take that the source holds."""

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

    def read(self, unit: Unit) -> UnitValues:
        """Read a unit from the source."""
        planes = [self._read(plane) for plane in unit.planes]
        return UnitValues(unit, planes, tuple(checksum(values) for values in planes))

    def _read(self, plane: PlaneIndex) -> NDArray[Any]:
        """Read a plane; one that is only copied may hold what the result can."""
        if self.is_restored(plane) or self.dtype.kind != "f":
            values = read_plane(self.source, plane)
            check_kept(values, self.dtype, self.restorer.config)
            return values
        return self.source.read(plane)

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
