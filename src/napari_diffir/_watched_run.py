"""A run that outlives the widgets which look at it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from diffir_core.errors import InputError
from napari_diffir._watched import Watched

_LISTEN_MILLISECONDS = 200


class WatchedRun(Watched):
    """Owns the worker of one run, for as many widgets as look at it.

    All methods are for the viewer's thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._worker: Any = None
        self._timer: Any = None
        self._outcome: Any = None

    @property
    def is_busy(self) -> bool:
        """Whether a worker is still there, if only to write what it has."""
        return self._worker is not None

    def _be_left(self) -> None:
        """Stop; what is done is kept."""
        self.stop()

    @abstractmethod
    def stop(self) -> None:
        """End soon; what is done is kept."""

    @abstractmethod
    def _take_news(self) -> None:
        """Show what the worker has told since the last time."""

    @abstractmethod
    def _take_end(self, outcome: Any) -> None:
        """Tell how it ended; None is that it was stopped or has nothing to say."""

    def _refuse_second(self, sentence: str) -> None:
        if self._worker is not None:
            raise InputError(sentence)

    def _launch(self, steps: Callable[..., Any], *arguments: Any) -> None:
        """Run steps in a thread, and listen to their news."""
        from qtpy.QtCore import QTimer

        from napari_diffir._worker import QuietWorker, new_worker

        self._worker = new_worker(steps, *arguments, kind=QuietWorker)
        self._worker.returned.connect(self._keep_outcome)
        self._worker.finished.connect(self._end)
        self._worker.start()
        self._timer = QTimer()
        self._timer.timeout.connect(self._take_news)
        self._timer.start(_LISTEN_MILLISECONDS)

    def _keep_outcome(self, outcome: Any) -> None:
        self._outcome = outcome

    def _end(self) -> None:
        """Take the end, once the worker is gone and another may begin."""
        self._timer.stop()
        try:
            self._take_news()
        finally:  # Whatever cannot be shown, it is at an end.
            outcome, self._outcome, self._worker = self._outcome, None, None
            self._take_end(outcome)
