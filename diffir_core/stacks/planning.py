"""How a stack is cut into units: of as many planes as memory has room for."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffir_core.config import ModelConfig
from diffir_core.engine.budget import MemoryBudget
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import StackLayout
from diffir_core.stacks.channels import restored_channels
from diffir_core.stacks.holes import check_has_holes
from diffir_core.stacks.reading import check_dtype, restorer_of_images
from diffir_core.stacks.slabs import MOST_BYTES
from diffir_core.stacks.source import StackSource, held_bytes
from diffir_core.stacks.units import units_of
from diffir_core.stacks.work import Conditions, StackWork

_BATCH_PIXELS = 1 << 18
_UNITS_AHEAD = 2
_UNITS_BEHIND = 2
_PYRAMID_SHARE = 4 / 3
_SLAB_SHARE = 8
"""Deep chunks are held in one part of so many of the memory."""


def prepare(
    source: StackSource,
    model: Model,
    options: RestoreOptions,
    conditions: Conditions | None = None,
    sharers: int = 1,
) -> StackWork:
    """Check that a stack can be restored, and cut it into units.

    `sharers` processes have a budget together, unless conditions say that of each.
    """
    check_dtype(source.dtype)
    check_has_holes(source.dtype, model)
    restorer = restorer_of_images(
        model, options, conditions.threads if conditions else None
    )
    layout = source.layout
    planes = layout.planes(model.config.image_channels)
    chosen = restored_channels(layout, model.config, options)
    dtype, memory = options.dtype(source.dtype), restorer.memory

    def waiting(batch: int) -> int:
        if not memory.is_main_memory:
            return 0
        return _waiting_bytes(source, model.config, dtype, len(planes), batch)

    if conditions is None:
        size = (layout.size("Y"), layout.size("X"))
        most = min(len(planes), _BATCH_PIXELS // (size[0] * size[1]))
        most = min(most, restorer.largest_batch())
        batch = memory.fitting_batch(*size, most, waiting)
        budget = memory.limit_bytes and memory.limit_bytes // sharers
        conditions = Conditions(batch, budget, restorer.workers.count)
    memory.limit_bytes = conditions.budget_bytes
    memory.reserved_bytes = waiting(conditions.batch)
    units = units_of(planes, conditions.batch)
    held = held_bytes(source, planes, _room_bytes(memory, layout, conditions.batch))
    if memory.is_main_memory and memory.limit_bytes is not None:
        memory.reserved_bytes += held
    return StackWork(source, restorer, units, conditions, chosen, dtype, held)


def _room_bytes(memory: MemoryBudget, layout: StackLayout, batch: int) -> int:
    """Give the room for deep chunks that planes leave: they are restored as without.

    On a GPU they are in the memory of its host.
    """
    if not memory.is_main_memory or memory.limit_bytes is None:
        return MOST_BYTES
    left = memory.left_bytes(layout.size("Y"), layout.size("X"), batch)
    return min(left, memory.limit_bytes // _SLAB_SHARE)


def waiting_bytes(work: StackWork) -> int:
    """Give what the units take on a GPU's host that wait to be restored or written."""
    batch, config = work.conditions.batch, work.restorer.config
    waiting = _waiting_bytes(work.source, config, work.dtype, len(work.planes), batch)
    return work.held_bytes + waiting


def _waiting_bytes(
    source: StackSource,
    config: ModelConfig,
    dtype: np.dtype[Any],
    planes: int,
    batch: int,
) -> int:
    pixels = source.layout.size("Y") * source.layout.size("X") * batch
    others = -(-planes // batch) - 1
    read = pixels * config.image_channels * source.dtype.itemsize
    written = pixels * config.scale**2 * config.out_channels * dtype.itemsize
    ahead, behind = min(others, _UNITS_AHEAD), min(others, _UNITS_BEHIND)
    return int(ahead * read + behind * written * _PYRAMID_SHARE)
