"""How much memory a plane takes, and where to keep it so that a budget holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from diffir_core.config import ModelConfig
from diffir_core.engine.features import RESIDENT_BYTES
from diffir_core.engine.pooling import TILE_SIDE
from diffir_core.engine.runner import HALO
from diffir_core.engine.streams import Streams
from diffir_core.engine.tiling import Tiling
from diffir_core.errors import InputError
from diffir_core.nn.padding import padded_size

_FREE_SHARE = 0.7
_TILE_COPIES = 6
_LIBRARY_BYTES = 25_000_000
_MOST_HALVINGS = 3
_FILE_PANEL_COLUMNS = 1024


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where the residual stream is kept, in which tiles, and the predicted peak."""

    tiling: Tiling
    in_files: bool
    peak_bytes: int
    """Working memory, beside the plane and its result."""
    file_bytes: int
    """Temporary disk; 0 if everything is in memory."""


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """Predicts the working memory of planes of one model on one machine."""

    config: ModelConfig
    streams: Streams
    threads: int

    def plan(
        self, height: int, width: int, budget: int | None, tiling: Tiling
    ) -> MemoryPlan:
        """Choose the fastest way that stays within `budget` bytes; None is no limit.

        Raises
        ------
        InputError
            If even the smallest tiles do not fit.
        """
        maps = self._map_bytes(height, width)
        peak = maps + self._moving_bytes(height, width, tiling)
        if budget is None or peak <= budget:
            return MemoryPlan(tiling, False, peak, 0)
        # Fewer seams, whose columns stay in memory.
        tiling = Tiling(tiling.side, tiling.halvings, _FILE_PANEL_COLUMNS)
        while (peak := self._file_peak(height, width, tiling)) > budget:
            if tiling.halvings == _MOST_HALVINGS:
                raise InputError(
                    f"A plane of {height} x {width} needs at least {peak / 1e6:.0f} MB "
                    f"of memory, the budget is {budget / 1e6:.0f} MB; raise memory or "
                    "crop the image."
                )
            tiling = tiling.halved()
        return MemoryPlan(tiling, True, peak, maps)

    def _file_peak(self, height: int, width: int, tiling: Tiling) -> int:
        return RESIDENT_BYTES + self._moving_bytes(height, width, tiling)

    def _moving_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        """Sum up what comes and goes: seams, strips, and tiles between the levels."""
        strips = self._strip_bytes(height, width, tiling)
        tiles = self._tile_bytes(height, width, tiling)
        features = self._feature_bytes(height, width)
        seams = self._seam_bytes(height, width, tiling)
        return seams + max(strips, tiles, features) + _LIBRARY_BYTES

    def _body(self, height: int, width: int) -> tuple[int, int]:
        config = self.config
        return (
            padded_size(height, config) // config.body_unshuffle,
            padded_size(width, config) // config.body_unshuffle,
        )

    def _map_bytes(self, height: int, width: int) -> int:
        """Give the peak, where the last level begins.

        C channels of its skip and C of the enlarged level 2, whose own take C / 2.
        """
        body_height, body_width = self._body(height, width)
        return 4 * body_height * body_width * self.config.dim * 5 // 2

    def _panel_width(self, width: int, tiling: Tiling) -> int:
        channels = 2 * self.config.dim
        hidden = self.config.hidden_width(channels)
        return tiling.panel_width(self.streams, width, channels, hidden, self.threads)

    def _seam_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        body_height, body_width = self._body(height, width)
        seams = -(-body_width // self._panel_width(body_width, tiling)) - 1
        return 4 * seams * 2 * HALO * body_height * 2 * self.config.dim

    def _strip_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        body_height, body_width = self._body(height, width)
        channels = 2 * self.config.dim
        hidden = self.config.hidden_width(channels)
        columns = self._panel_width(body_width, tiling)
        rows = tiling.strip_rows(
            self.streams, body_height + HALO, columns, channels, hidden
        )
        values = self.streams.working_values(rows, columns, channels, hidden)
        return 4 * self.threads * values

    def _tile_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        config = self.config
        body_height, body_width = self._body(height, width)
        enlarging = config.architecture == "sr"
        widest = (16 if enlarging else 2) * config.dim
        side = tiling.tile_side(widest)
        pixels = min(side, body_height) * min(side, body_width)
        if enlarging:  # Its second convolution has 32 C channels for each pixel.
            pixels *= 2
        return 4 * self.threads * pixels * widest * _TILE_COPIES

    def _feature_bytes(self, height: int, width: int) -> int:
        config = self.config
        factor = config.cpen_unshuffle
        sides = (min(TILE_SIDE, size // factor) for size in (height, width))
        pixels = next(sides) * next(sides)
        widest = max(2 * config.cpen_features, config.ipr_length)
        return 4 * self.threads * pixels * widest * _TILE_COPIES


def free_memory_bytes(device: torch.device) -> int | None:
    """Give the memory that may be used on a device, or None where it cannot be told."""
    if device.type == "cuda":
        return int(_FREE_SHARE * torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(_FREE_SHARE * int(line.split()[1]) * 1024)
