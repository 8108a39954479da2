"""What memory a restorer may take, and how many planes at once stay within it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diffir_core.engine.flips import mean_bytes
from diffir_core.engine.memory import MemoryModel, MemoryPlan
from diffir_core.engine.planes import Job
from diffir_core.engine.tiling import Tiling
from diffir_core.errors import InputError
from diffir_core.nn.padding import padded_size


@dataclass
class MemoryBudget:
    """A budget, and the plans that keep it."""

    model: MemoryModel
    tiling: Tiling
    averages_flips: bool
    is_main_memory: bool
    """Not that of a GPU, which planes that wait do not take."""
    limit_bytes: int | None
    """Asked for once: plans that follow the free memory would change from plane to
    plane, and the rounding of the result with them. None is no limit."""
    reserved_bytes: int = 0
    """Of the limit, what planes that wait to be restored or written take."""

    def of_jobs(self, jobs: Sequence[Job], tiling: Tiling | None = None) -> MemoryPlan:
        """Plan for a batch: as if its planes were one below the other."""
        height = sum(len(job.plane.rows) for job in jobs)
        width = max(len(job.plane.columns) for job in jobs)
        return self._plan(height, width, len({id(job.folded) for job in jobs}), tiling)

    def of_planes(self, height: int, width: int, count: int) -> MemoryPlan:
        """Plan for `count` planes of this size, before any is there."""
        config = self.model.config
        rows, columns = (padded_size(size, config) for size in (height, width))
        return self._plan(count * rows, columns, count)

    def fitting_batch(
        self,
        height: int,
        width: int,
        most: int,
        waiting_bytes: Callable[[int], int] = lambda count: 0,
    ) -> int:
        """Give how many planes are restored at once without temporary files.

        Parameters
        ----------
        most
            Planes that are worth it; where no two fit the memory, it is one.
        waiting_bytes
            What else so many planes take of the budget; it is set aside.
        """
        count = max(1, most)
        while True:
            self.reserved_bytes = waiting_bytes(count)
            if count == 1 or self._fit(height, width, count):
                return count
            count = (count + 1) // 2

    def _fit(self, height: int, width: int, count: int) -> bool:
        try:
            return not self.of_planes(height, width, count).in_files
        except InputError:
            return False

    def left_bytes(self, height: int, width: int, count: int) -> int:
        """Give what `count` planes of this size leave of the limit, if they fit it."""
        try:
            taken = self.of_planes(height, width, count).peak_bytes
        except InputError:  # Said when they are restored.
            return 0
        return max(0, (self.limit_bytes or 0) - taken)

    def mean_bytes(self, pixels: int) -> int:
        """Give the main memory that the mean of flips of so many pixels takes."""
        if not self.averages_flips:
            return 0
        config = self.model.config
        return mean_bytes(pixels * config.scale**2, config.out_channels)

    def _plan(
        self, height: int, width: int, folds: int, tiling: Tiling | None = None
    ) -> MemoryPlan:
        beside = self.reserved_bytes
        if self.is_main_memory:
            beside += self.mean_bytes(height * width)
        return self.model.plan(
            height, width, self.limit_bytes, tiling or self.tiling, folds, beside
        )
