"""How large panels, strips and tiles are."""

from __future__ import annotations

from dataclasses import dataclass

from diffir_core.engine.streams import Streams

_NARROW_PANEL = 16
_TILE_VALUES = 500_000


@dataclass(frozen=True, slots=True)
class Tiling:
    """Sizes of what is computed at once; the result does not depend on them."""

    side: int | None = None
    """Columns of a panel and rows of a strip; None is what suits the machine."""
    halvings: int = 0
    """How often all sizes were halved, because memory was short."""
    columns: int | None = None
    """Columns of a panel alone."""

    def halved(self) -> Tiling:
        """Give the tiling to try when there is no memory left for this one."""
        return Tiling(self.side, self.halvings + 1, self.columns)

    def panel_width(
        self, streams: Streams, width: int, channels: int, hidden: int, threads: int
    ) -> int:
        """Give the width of panels: as many for each of `threads`, none too narrow."""
        most = self.side or self.columns or streams.panel_columns(channels, hidden)
        most = max(8, most >> self.halvings)
        rounds = -(-width // (most * threads))
        return min(most, max(_NARROW_PANEL, -(-width // (rounds * threads))))

    def strip_rows(
        self, streams: Streams, height: int, width: int, channels: int, hidden: int
    ) -> int:
        """Give the rows of a strip, such that strips of it fill `height` evenly."""
        rows = self.side or streams.strip_rows(width, channels, hidden)
        rows = max(4, min(rows, height) >> self.halvings)
        count = -(-height // rows)
        return max(2, -(-height // count))

    def tile_side(self, channels: int) -> int:
        """Give the side of a tile for convolutions between the levels."""
        side = int((_TILE_VALUES / channels) ** 0.5) >> self.halvings
        return max(16, min(self.side or side, side) // 8 * 8)
