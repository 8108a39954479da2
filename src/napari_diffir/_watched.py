"""Work that outlives the widgets which look at it, until the last of them is gone."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Watched(ABC):
    """Counts the widgets that look on. All methods are for the viewer's thread."""

    def __init__(self) -> None:
        self._watchers = 0

    def join(self) -> None:
        """Count a widget that looks on."""
        self._watchers += 1

    def leave(self) -> None:
        """Go without a widget; when nobody looks any more, see `_be_left`."""
        self._watchers -= 1
        if self._watchers <= 0:
            self._be_left()

    @abstractmethod
    def _be_left(self) -> None:
        """Go on without a watcher."""
