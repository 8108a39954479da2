"""Estimates in the background, a moment after the last change: the latest counts."""

from __future__ import annotations

from typing import Any

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_diffir._outlook import Outlook, look_ahead
from napari_diffir._stack_steps import StackRequest
from napari_diffir._worker import new_worker
from napari_diffir.widgets._parts import stop_timer

_WAIT_MILLISECONDS = 600


class LookAhead(QObject):
    """Tells of the outlook of a request by `ready`; nothing waits for it."""

    ready = Signal(Outlook)

    def __init__(self) -> None:
        super().__init__()
        self._wanted: StackRequest | None = None
        self._asked: StackRequest | None = None
        self._worker: Any = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MILLISECONDS)
        self._timer.timeout.connect(self._begin)

    @property
    def is_busy(self) -> bool:
        """Whether an estimate is still to come."""
        return self._worker is not None or self._timer.isActive()

    def ask(self, request: StackRequest | None) -> None:
        """Look at a request soon, in place of any before it; None forgets it."""
        self._wanted = request
        if request is None:
            stop_timer(self._timer)
        else:
            self._timer.start()

    def _begin(self) -> None:
        if self._worker is not None or self._wanted is None:
            return  # The one under way begins the next.
        self._asked = self._wanted
        self._worker = new_worker(look_ahead, self._asked)
        self._worker.returned.connect(self._take)
        self._worker.finished.connect(self._end)
        self._worker.start()

    def _take(self, found: Outlook) -> None:
        if self._wanted is self._asked:
            self._wanted = None
            self.ready.emit(found)

    def _end(self) -> None:
        asked, self._asked, self._worker = self._asked, None, None
        if self._wanted is asked:
            self._wanted = None  # It came to nothing, and would again.
        elif self._wanted is not None and not self._timer.isActive():
            self._begin()
