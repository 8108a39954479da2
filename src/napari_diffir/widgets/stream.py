"""The widget Restore stack to disk: choose, see what it takes, watch it fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from diffir_core.errors import DiffIRError
from napari_diffir._layers import placement_of, position_in
from napari_diffir._outlook import Outlook, is_begun
from napari_diffir._pyside import spare_references
from napari_diffir._stack_session import current_stack_session
from napari_diffir._wording import told
from napari_diffir.widgets._job_menu import JobButton
from napari_diffir.widgets._look_ahead import LookAhead
from napari_diffir.widgets._panel import Panel
from napari_diffir.widgets._parts import button, small_label
from napari_diffir.widgets._stack_form import StackForm
from napari_diffir.widgets._stack_status import StackStatus

if TYPE_CHECKING:
    import napari

    from napari_diffir._stack_steps import StackRequest

_MINIMUM_WIDTH_PIXELS = 380


class StreamWidget(Panel):
    """Restore stacks of any size into files; several widgets show the same run."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(_MINIMUM_WIDTH_PIXELS)
        spare_references()
        self._viewer = napari_viewer
        self._session = current_stack_session()
        self.state = self._session.state
        self._may_begin = False
        self._build()
        self._connect()
        self._session.join()
        self._take_over()
        self._look_ahead()

    def _build(self) -> None:
        self.form, self.status = StackForm(self._viewer), StackStatus(self.state)
        self.estimate_label, self.look = small_label(), LookAhead()
        self.job_button = JobButton(self.form.job)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addWidget(self.form)
        layout.addWidget(self.estimate_label)
        layout.addLayout(self._build_buttons())
        layout.addWidget(self.status)
        layout.addStretch()
        self._scroll(content)

    def _build_buttons(self) -> QGridLayout:
        self.start_button = button("&Restore", "Begin; a layer fills.", self.start)
        self.pause_button = button(
            "&Pause", "Wait; what is in memory stays.", self._session.pause
        )
        self.resume_button = button(
            "Res&ume", "Go on, also with an output of another day.", self.resume
        )
        self.stop_button = button(
            "S&top", "End within a moment; what is restored is kept.", self.stop
        )
        grid = QGridLayout()
        for column, one in enumerate(
            (
                self.start_button,
                self.pause_button,
                self.resume_button,
                self.stop_button,
                self.job_button,
            )
        ):
            grid.addWidget(one, 0, column)
        return grid

    def _connect(self) -> None:
        self.form.changed.connect(self._look_ahead)
        self.look.ready.connect(self._show_outlook)
        self.state.events.phase.connect(self._take_phase)
        self.job_button.loaded.connect(self.form.show_job)
        self.job_button.said.connect(self._say)
        self._leave_when_destroyed()

    def _take_over(self) -> None:
        """Fill in the last run, if it is not completed: Resume goes on with it."""
        request = self._session.request
        if request is None or self.form.show_request(request):
            return
        if not self.state.is_active:
            self._say(
                f"The layer '{request.tasks[0].name}' of the last run is gone; choose "
                "it again to go on."
            )

    def start(self) -> None:
        """Begin."""
        self._begin(resume=False)

    def resume(self) -> None:
        """Go on after a pause, or complete what was begun on another day."""
        if self.state.phase == "paused":
            self._session.go_on()
        else:
            self._begin(resume=True)

    def stop(self) -> None:
        """End within a tile; what is restored is kept."""
        self._session.stop()

    def _begin(self, *, resume: bool) -> None:
        layer = self.form.input_box.layer
        source = placement_of(layer, self.form.axes) if layer is not None else None
        position = position_in(layer, self._viewer) if layer is not None else {}
        try:
            self.form.check_place()
            request = self.form.request(resume=resume)
            self._session.start(request, self._viewer, source, position)
        except (DiffIRError, OSError) as error:
            self._say(str(told(error)))

    def _say(self, sentence: str) -> None:
        self.status.message.setText(sentence)

    def _take_phase(self) -> None:
        self.form.input_box.refresh()  # What was unfinished may be an input now.
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Estimate anew, unless the machine is busy with the real thing."""
        is_idle = not (self.state.is_active or self._session.is_busy)
        wanted, problem = self._asked() if is_idle else (None, "")
        self._may_begin = wanted is not None
        self.estimate_label.setText(problem)
        self._show_buttons()
        self.look.ask(wanted)

    def _asked(self) -> tuple[StackRequest | None, str]:
        """Give the request, or why there is none."""
        try:
            self.form.check_place()
            return self.form.request(), ""
        except (DiffIRError, OSError) as error:
            return None, str(told(error))

    def _show_outlook(self, found: Outlook) -> None:
        said = [part for part in (found.existing, found.problem) if part]
        self.estimate_label.setText("\n".join([*found.rows, *said]))
        self._may_begin = found.may_begin
        self._show_buttons()

    def _show_buttons(self) -> None:
        active, form = self.state.is_active, self.form
        can_begin = not active and not self._session.is_busy and self._may_begin
        form.setEnabled(not active)
        begun = can_begin and self._is_begun()
        is_new = can_begin and not begun and not self._is_taken()
        may_replace = form.replace_box.isChecked()
        self.start_button.setEnabled(can_begin and (is_new or may_replace))
        self.pause_button.setEnabled(self.state.phase == "running")
        self.resume_button.setEnabled(self.state.phase == "paused" or begun)
        self.stop_button.setEnabled(active)

    def _is_begun(self) -> bool:
        try:
            return is_begun(self.form.request())
        except (DiffIRError, OSError):
            return False

    def _is_taken(self) -> bool:
        """Tell whether a finished output is there; a folder of them may be."""
        is_folder = self.form.input_box.is_folder_of_stacks
        return not is_folder and self.form.destination.exists()

    def _leave(self, *, is_destroyed: bool) -> None:
        self.state.events.phase.disconnect(self._take_phase)
        self.look.ask(None)
        self.form.leave()
        self.status.leave()
        self._session.leave()
