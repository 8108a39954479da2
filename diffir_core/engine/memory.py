"""How much memory a plane takes, and where to keep it so that a budget holds."""

from __future__ import annotations

from dataclasses import dataclass

from diffir_core.config import ModelConfig
from diffir_core.engine.panels import HALO
from diffir_core.engine.pooling import TILE_SIDE
from diffir_core.engine.streams import Streams
from diffir_core.engine.tiling import Tiling
from diffir_core.errors import InputError
from diffir_core.nn.padding import padded_size

_LIBRARY_BYTES = 8_000_000
_MOST_HALVINGS = 3
_FILE_PANEL_COLUMNS = 1024
_TILE_COPIES = 2.75
"""Values at once in a tile that merges two levels, for each of the tile itself."""
_FRAGMENTS = (1.3, 0.6, 4.7)
"""Heaps of threads fragment: times the largest layer, more with each tile, at most."""


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
        self,
        height: int,
        width: int,
        budget: int | None,
        tiling: Tiling,
        folds: int = 1,
        beside_bytes: int = 0,
    ) -> MemoryPlan:
        """Choose the fastest way that stays within `budget` bytes; None is no limit.

        `folds` is under how many IPRs the weights are folded; `beside_bytes` are of the
        budget, and for something else.

        Raises
        ------
        InputError
            If even the smallest tiles do not fit.
        """
        maps = self._map_bytes(height, width)
        fixed = beside_bytes + _LIBRARY_BYTES + folds * self._fold_bytes()
        peak = fixed + maps + self._moving_bytes(height, width, tiling)
        if budget is None or peak <= budget:
            return MemoryPlan(tiling, False, peak, 0)
        # Fewer seams, whose columns stay in memory.
        tiling = Tiling(tiling.side, tiling.halvings, _FILE_PANEL_COLUMNS)
        while (peak := fixed + self._moving_bytes(height, width, tiling)) > budget:
            if tiling.halvings == _MOST_HALVINGS:
                raise InputError(
                    f"A plane of {height} x {width} needs at least {peak / 1e6:.0f} MB "
                    f"of memory, the budget is {budget / 1e6:.0f} MB; raise memory or "
                    "crop the image."
                )
            tiling = tiling.halved()
        return MemoryPlan(tiling, True, peak, maps)

    def _moving_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        """Sum up what comes and goes: seams, strips, and tiles between the levels.

        About half of a strip finds room in what CPEN has left behind.
        """
        strips = self._strip_bytes(height, width, tiling)
        tiles = self._tile_bytes(height, width, tiling)
        features = self._feature_bytes(height, width)
        seams = self._seam_bytes(height, width, tiling)
        return seams + max(strips, tiles, features) + strips // 2

    def _fold_bytes(self) -> int:
        """Give what the weights of all blocks take under one IPR."""
        config, values = self.config, 0
        for channels, blocks in _stages(config):
            hidden = config.hidden_width(channels)
            convolved = 3 * channels + 2 * hidden
            values += blocks * ((channels + 10) * convolved + hidden * channels)
        return 4 * self.streams.weight_copies * values

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

    def _panel_width(self, width: int, channels: int, tiling: Tiling) -> int:
        hidden = self.config.hidden_width(channels)
        return tiling.panel_width(self.streams, width, channels, hidden, self.threads)

    def _seam_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        body_height, body_width = self._body(height, width)
        channels = 2 * self.config.dim
        panel = self._panel_width(body_width, channels, tiling)
        seams = -(-body_width // panel) - 1
        return 4 * seams * 2 * HALO * body_height * channels

    def _strip_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        """Give the largest strips of all levels."""
        body_height, body_width = self._body(height, width)
        largest = 0
        for shrink, factor in ((1, 2), (2, 2), (4, 4), (8, 8)):
            channels = factor * self.config.dim
            hidden = self.config.hidden_width(channels)
            columns = self._panel_width(body_width // shrink, channels, tiling)
            columns += 2 * HALO
            rows = tiling.strip_rows(
                self.streams, body_height // shrink + HALO, columns, channels, hidden
            )
            values = self.streams.working_values(rows, columns, channels, hidden)
            largest = max(largest, values)
        return 4 * self.threads * largest

    def _tile_bytes(self, height: int, width: int, tiling: Tiling) -> int:
        body_height, body_width = self._body(height, width)
        dim = self.config.dim
        pixels = min(tiling.tile_side(dim) ** 2, body_height * body_width)
        return int(4 * self.threads * _TILE_COPIES * pixels * dim)

    def _feature_bytes(self, height: int, width: int) -> int:
        """Give what CPEN's last layers take."""
        config, factor = self.config, self.config.cpen_unshuffle
        sides = [-(-padded_size(s, config) // factor) for s in (height, width)]
        rows = min(TILE_SIDE, -(-sides[0] // self.threads))
        columns = min(TILE_SIDE, sides[1])
        tiles = -(-sides[0] // rows) * -(-sides[1] // columns) / self.threads
        layer = (rows + 2) * (columns + 2)
        layer *= 2 * config.cpen_features + config.ipr_length
        least, each, most = _FRAGMENTS
        return int(4 * self.threads * layer * min(most, least + each * tiles))


def _stages(config: ModelConfig) -> list[tuple[int, int]]:
    """Give channels and number of blocks of all stages."""
    dim, blocks = config.dim, config.num_blocks
    return [
        (dim, blocks[0]),
        (2 * dim, 2 * blocks[1]),
        (4 * dim, 2 * blocks[2]),
        (8 * dim, blocks[3]),
        (2 * dim, blocks[0] + config.num_refinement_blocks),
    ]
