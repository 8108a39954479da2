"""Where a training is: a bar, the time left, a sentence, a warning."""

from __future__ import annotations

from napari.utils.notifications import show_error
from psygnal import SignalInstance
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_diffir._training_state import TrainingState
from napari_diffir._wording import duration
from napari_diffir.widgets._parts import small_label

_WARNING_STYLE = "color: #e69f00; font-weight: bold"


class RunStatus(QWidget):
    """Shows a `TrainingState`, and follows it."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self._state = state
        self.bar, self.time_left = QProgressBar(), small_label()
        self.message, self.warning = small_label(), small_label()
        self.warning.setStyleSheet(_WARNING_STYLE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.bar, self.time_left, self.message, self.warning):
            layout.addWidget(part)
        events = state.events
        events.phase.connect(self._show_phase)
        events.message.connect(self._show_message)
        events.step.connect(self._show_progress)
        events.steps.connect(self._show_total)
        for told in self._told_of:
            told.connect(self._show_warning)
        events.folder.connect(self.show_all)

    @property
    def _told_of(self) -> tuple[SignalInstance, ...]:
        """What a warning is made of."""
        events = self._state.events
        return events.losses, events.psnrs_db, events.trainer_warnings

    def leave(self) -> None:
        """Stop following the state."""
        events = self._state.events
        events.phase.disconnect(self._show_phase)
        events.message.disconnect(self._show_message)
        events.step.disconnect(self._show_progress)
        events.steps.disconnect(self._show_total)
        for told in self._told_of:
            told.disconnect(self._show_warning)
        events.folder.disconnect(self.show_all)

    def show_all(self) -> None:
        """Show the state as it is."""
        self.message.setText(self._state.message)
        self._show_total()
        self._show_progress()
        self._show_warning()

    def _show_message(self, message: str) -> None:
        self.message.setText(message)

    def _show_phase(self) -> None:
        self._show_progress()
        if self._state.phase == "failed":
            show_error(f"DiffIR: {self._state.message}")

    def _show_total(self) -> None:
        self.bar.setMaximum(max(1, self._state.steps))

    def _show_progress(self) -> None:
        state = self._state
        self.bar.setValue(min(state.step, max(1, state.steps)))
        done = f"Step {state.step} of {state.steps}" if state.steps else ""
        left = state.seconds_left
        known = left is not None and state.phase == "running"
        self.time_left.setText(
            f"{done}, about {duration(left)} left" if known and left else done
        )

    def _show_warning(self) -> None:
        self.warning.setText(self._state.warning)
