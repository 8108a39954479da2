"""The Train widget: choose clean images, press Start, watch, use the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QGridLayout,
    QProgressBar,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError
from napari_diffir._pyside import spare_references
from napari_diffir._run_folder import holds_run, usable_model
from napari_diffir._training import current_session
from napari_diffir.widgets._parts import button, small_label
from napari_diffir.widgets._run_view import RunView
from napari_diffir.widgets._train_form import TrainForm

if TYPE_CHECKING:
    import napari

_MINIMUM_WIDTH_PIXELS = 380
_WARNING_STYLE = "color: #e69f00; font-weight: bold"


class TrainWidget(QWidget):
    """Train a model on clean images; several widgets show the same run."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        spare_references()
        self._viewer = napari_viewer
        self._session = current_session()
        self.state = self._session.state
        self._has_left = False
        self._build()
        self._connect()
        self._session.join()
        if self.state.folder is not None:
            self.form.folder_edit.setText(str(self.state.folder))
            self.tabs.setCurrentIndex(1)
        self._show_all()

    def _build(self) -> None:
        self.setMinimumWidth(_MINIMUM_WIDTH_PIXELS)
        self.form, self.view = TrainForm(self._viewer), RunView(self.state)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.form, "Set up")
        self.tabs.addTab(self.view, "Progress")
        self.progress_bar = QProgressBar()
        self.time_left, self.status = small_label(), small_label()
        self.warning = small_label()
        self.warning.setStyleSheet(_WARNING_STYLE)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addWidget(self.tabs)
        layout.addLayout(self._build_buttons())
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.time_left)
        layout.addWidget(self.status)
        layout.addWidget(self.warning)
        layout.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def _build_buttons(self) -> QGridLayout:
        self.start_button = button(
            "&Start", "Train from the beginning, in an empty folder.", self.start
        )
        self.pause_button = button(
            "&Pause", "Wait; the model stays in memory.", self._session.pause
        )
        self.stop_button = button(
            "S&top", "End now; what was learnt is kept in the folder.", self.stop
        )
        self.resume_button = button(
            "&Resume", "Go on, also with a run of another day.", self.resume
        )
        self.use_button = button(
            "&Use in Restore",
            "Choose the trained model in the Restore widget.",
            self.use_in_restore,
        )
        grid = QGridLayout()
        buttons = (
            self.start_button,
            self.pause_button,
            self.resume_button,
            self.stop_button,
        )
        for column, one in enumerate(buttons):
            grid.addWidget(one, 0, column)
        grid.addWidget(self.use_button, 1, 0, 1, len(buttons))
        return grid

    def _connect(self) -> None:
        self.form.changed.connect(self._look_at_folder)
        events = self.state.events
        events.phase.connect(self._show_phase)
        events.message.connect(self._show_message)
        events.step.connect(self._show_progress)
        events.steps.connect(self._show_total)
        events.event.connect(self._show_warning)
        events.folder.connect(self._show_all)
        # A closing window deletes its panels without a word to them.
        self.destroyed.connect(lambda _=None: self._leave())

    def _disconnect(self) -> None:
        events = self.state.events
        events.phase.disconnect(self._show_phase)
        events.message.disconnect(self._show_message)
        events.step.disconnect(self._show_progress)
        events.steps.disconnect(self._show_total)
        events.event.disconnect(self._show_warning)
        events.folder.disconnect(self._show_all)

    def start(self) -> None:
        """Begin a run in the chosen folder."""
        try:
            self._session.start(self.form.folder, self.form.make_recipe())
        except DiffIRError as error:
            self.status.setText(str(error))
            return
        self.tabs.setCurrentIndex(1)

    def resume(self) -> None:
        """Go on after a pause, or with the run in the chosen folder."""
        try:
            self._session.resume(self.form.folder)
        except DiffIRError as error:
            self.status.setText(str(error))
            return
        self.tabs.setCurrentIndex(1)

    def stop(self) -> None:
        """End the run with a checkpoint, after the step under way."""
        self._session.stop()

    def use_in_restore(self) -> None:
        """Choose the trained model in the Restore widget, which opens if need be."""
        model = usable_model(self.state.folder or self.form.folder)
        if model is None:
            return
        window = self._viewer.window
        _, restore = window.add_plugin_dock_widget(
            "napari-diffir", "Restore", tabify=True
        )
        restore.add_model(model)

    def _look_at_folder(self) -> None:
        if not self.state.is_active:
            self._look_at(self.form.folder)
        self._show_buttons()

    def _look_at(self, folder: Path) -> None:
        if holds_run(folder) or self.state.folder is not None:
            self._session.look_at(folder)

    def _show_all(self) -> None:
        self.status.setText(self.state.message)
        self._show_total()
        self._show_phase()
        self._show_warning()

    def _show_message(self, message: str) -> None:
        self.status.setText(message)

    def _show_phase(self) -> None:
        self._show_buttons()
        self._show_progress()
        if self.state.phase == "failed":
            show_error(f"DiffIR: {self.state.message}")

    def _show_buttons(self) -> None:
        phase, active = self.state.phase, self.state.is_active
        has_run = holds_run(self.form.folder)
        free = not active and not self._session.is_busy
        self.form.setEnabled(not active)
        self.start_button.setEnabled(free and not has_run and self.form.is_complete)
        self.pause_button.setEnabled(phase == "running")
        self.stop_button.setEnabled(active)
        self.resume_button.setEnabled(phase == "paused" or (free and has_run))
        folder = self.state.folder
        usable = folder is not None and usable_model(folder) is not None
        self.use_button.setEnabled(not active and usable)

    def _show_total(self) -> None:
        self.progress_bar.setMaximum(max(1, self.state.steps))

    def _show_progress(self) -> None:
        state = self.state
        self.progress_bar.setValue(min(state.step, max(1, state.steps)))
        done = f"Step {state.step} of {state.steps}" if state.steps else ""
        left = state.seconds_left
        known = left is not None and state.phase == "running"
        self.time_left.setText(
            f"{done}, about {_duration(left)} left" if known and left else done
        )

    def _show_warning(self) -> None:
        self.warning.setText(self.state.warning)

    def changeEvent(self, event: QEvent) -> None:
        """Leave when the panel's cross takes the widget out of its dock."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave the run; it stops with a checkpoint if nobody else looks at it."""
        self._leave()
        super().closeEvent(event)

    def _leave(self) -> None:
        if self._has_left:
            return
        self._has_left = True
        self._disconnect()
        self.form.leave()
        self.view.leave()
        self._session.leave()


def _duration(seconds: float) -> str:
    """Give a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
