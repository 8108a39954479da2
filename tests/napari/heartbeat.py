"""How long a viewer does not answer."""

from __future__ import annotations

import time

from qtpy.QtCore import QTimer


class Heartbeat:
    """Measures the longest time in which the viewer did not answer."""

    def __init__(self) -> None:
        self.longest, self.beats, self._last = 0.0, 0, time.monotonic()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(10)

    def _beat(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self.beats, self._last = self.beats + 1, now

    def stop(self) -> None:
        self._timer.stop()
