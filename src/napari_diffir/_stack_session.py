"""The restoration to disk under way, apart from any widget: who runs it, its end."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from diffir_core.stacks.unfinished import Unfinished
from napari_diffir._filling_layer import FillingLayer
from napari_diffir._scripting import Failure
from napari_diffir._stack_pace import PaceMaker
from napari_diffir._stack_state import StackState
from napari_diffir._stack_steps import (
    StackControl,
    StackRequest,
    TaskEnded,
    TaskMoved,
    stack_steps,
)
from napari_diffir._watched_run import WatchedRun

if TYPE_CHECKING:
    import napari

    from napari_diffir._layers import Placement


class StackSession(WatchedRun):
    """Restores to disk, and lets a layer fill as it does."""

    def __init__(self) -> None:
        super().__init__()
        self.state = StackState()
        self._control, self._pace = StackControl(), PaceMaker()
        self._request: StackRequest | None = None
        self._viewer: napari.Viewer | None = None
        self._source: Placement | None = None
        self._unseen = ""
        self._filling: FillingLayer | None = None
        self._task, self._limits = -1, (0.0, 1.0)

    @property
    def request(self) -> StackRequest | None:
        """What was asked for last, if it is not completed yet."""
        is_completed = self.state.phase in ("idle", "finished")
        return None if is_completed else self._request

    def _be_left(self) -> None:
        self._viewer, self._filling = None, None  # It may be about to close.
        super()._be_left()

    def start(
        self,
        request: StackRequest,
        viewer: napari.Viewer | None = None,
        source: Placement | None = None,
        position: dict[str, int] | None = None,
    ) -> None:
        """Begin; the output fills a layer of the viewer, dressed as its source.

        The plane at `position`, by axis letter, is restored first.
        """
        self._refuse_second("A stack is being restored; stop it first.")
        self._request, self._viewer, self._source = request, viewer, source
        self._control, self._pace, self._task = StackControl(), PaceMaker(), -1
        self._control.order.look_at(position or {})
        self.state.begin(request)
        self._launch(stack_steps, request, self._control)

    def pause(self) -> None:
        """Halt within a tile; what is in memory stays there."""
        if self.state.phase == "running":
            self._control.switch.pause()
            self._pace.pause(time.monotonic())
            self.state.phase, self.state.message = "paused", "Paused."

    def go_on(self) -> None:
        """Go on after a pause."""
        if self.state.phase == "paused":
            self._control.switch.go_on()
            self._pace.go_on(time.monotonic())
            self.state.phase = "running"

    def stop(self) -> None:
        """End within a tile; what is restored is written and kept."""
        if self._worker is not None:
            self.state.message = "Stopping; what is restored is written…"
            self._worker.quit()

    def _take_news(self) -> None:
        last: TaskMoved | None = None
        while self._control.news:
            news = self._control.news.popleft()
            if isinstance(news, TaskEnded):
                self._take_task_end(news)
                last = None
                continue
            self._show_plane(news)
            last = news
        if last is not None:
            pace = self._pace.take(time.monotonic(), last.progress)
            self.state.take(last, pace)
        self._look()

    def _show_plane(self, news: TaskMoved) -> None:
        if news.number != self._task:
            self._begin_task(news.number)
        self._limits = news.limits
        filling = self._filling
        if filling is None:
            return
        if filling.layer is None:
            image = self._place(news.number).image
            self._show(lambda: filling.open(image, news.limits))
        elif news.progress.finished_plane is not None:
            filling.note(news.progress.finished_plane)

    def _begin_task(self, number: int) -> None:
        self._task, self._pace, self._unseen = number, PaceMaker(), ""
        self.state.destination = self._place(number).destination
        self._filling, request = None, self._request
        if self._viewer is not None:
            goes_on = request is not None and request.resume
            self._filling = FillingLayer(self._viewer, self._source, goes_on=goes_on)

    def _place(self, number: int) -> Unfinished:
        if self._request is None:
            raise AssertionError("News of a run that was never begun.")
        return Unfinished(self._request.tasks[number].destination)

    def _look(self) -> None:
        """Restore next what is in view, and show what has come."""
        if self._filling is not None and self._filling.is_there:
            self._control.order.look_at(self._filling.position)
            self._filling.refresh()

    def _take_task_end(self, news: TaskEnded) -> None:
        self.state.take_end(news)
        filling = self._filling
        if filling is not None and not isinstance(news.end, Exception | None):
            destination = self._place(news.number).destination
            self._show(lambda: filling.settle(destination, self._limits))
        if self._unseen:
            self.state.message = f"{self.state.message} {self._unseen}"

    def _show(self, show: Callable[[], object]) -> None:
        """Show a layer, or go on without: its viewer may be gone, the file is not."""
        try:
            show()
        except Exception as error:
            self._filling = None
            self._unseen = f"The result cannot be shown here ({error})."

    def _take_end(self, outcome: Failure | None) -> None:
        self._viewer, self._filling = None, None  # They may be closed at any time.
        self.state.end(outcome.error if outcome else None)
        if self.state.phase == "finished":
            self._request = None  # It holds the pixels; else Resume goes on with it.


@functools.cache
def current_stack_session() -> StackSession:
    """Give the one session of this process: widgets come and go, the run stays."""
    return StackSession()
