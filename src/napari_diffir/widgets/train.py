"""The Train widget: choose images, press Start, watch, use the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QGridLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError, InputError
from napari_diffir._pyside import spare_references
from napari_diffir._run_folder import holds_run
from napari_diffir._run_models import TrainedModel, usable_model
from napari_diffir._run_text import run_command, run_python
from napari_diffir._training import current_session
from napari_diffir.widgets._copy_menu import CopyButton
from napari_diffir.widgets._panel import Panel
from napari_diffir.widgets._parts import button
from napari_diffir.widgets._run_status import RunStatus
from napari_diffir.widgets._run_view import RunView
from napari_diffir.widgets._train_form import TrainForm

if TYPE_CHECKING:
    import napari

_MINIMUM_WIDTH_PIXELS = 380
_USE_TIP = "Choose the trained model in the Restore widget"


class TrainWidget(Panel):
    """Train a model on images of one's own; several widgets show the same run."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(_MINIMUM_WIDTH_PIXELS)
        spare_references()
        self._viewer = napari_viewer
        self._session = current_session()
        self.state = self._session.state
        self._build()
        self._connect()
        self._session.join()
        if self.state.folder is not None:
            self.form.folder_edit.setText(str(self.state.folder))
            self.tabs.setCurrentIndex(1)
        self.status.show_all()
        self._show_buttons()

    def _build(self) -> None:
        self.form, self.view = TrainForm(self._viewer), RunView(self.state)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.form, "Set up")
        self.tabs.addTab(self.view, "Progress")
        self.status = RunStatus(self.state)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addWidget(self.tabs)
        layout.addLayout(self._build_buttons())
        layout.addWidget(self.status)
        layout.addStretch()
        self._scroll(content)

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
        self.use_button = button("&Use in Restore", f"{_USE_TIP}.", self.use_in_restore)
        grid = QGridLayout()
        buttons = (
            self.start_button,
            self.pause_button,
            self.resume_button,
            self.stop_button,
        )
        for column, one in enumerate(buttons):
            grid.addWidget(one, 0, column)
        grid.addWidget(self.use_button, 1, 0, 1, len(buttons) - 1)
        grid.addWidget(self._build_copy_button(), 1, len(buttons) - 1)
        return grid

    def _build_copy_button(self) -> CopyButton:
        copy = CopyButton("&Copy…", "The run as text, to go on with it elsewhere.")
        copy.add_copy("Copy as command", lambda: run_command(self._folder()))
        copy.add_copy("Copy as Python", lambda: run_python(self._folder()))
        copy.said.connect(lambda text: self.status.message.setText(text))
        return copy

    def _connect(self) -> None:
        self.form.changed.connect(self._look_at_folder)
        self.state.events.phase.connect(self._show_buttons)
        self.state.events.folder.connect(self._show_buttons)
        self._leave_when_destroyed()

    def start(self) -> None:
        """Begin a run in the chosen folder."""
        try:
            self._session.start(self._folder(), self.form.make_recipe())
        except DiffIRError as error:
            self.status.message.setText(str(error))
            return
        self.tabs.setCurrentIndex(1)

    def resume(self) -> None:
        """Go on after a pause, or with the run in the chosen folder."""
        try:
            self._session.resume(self._folder(), self.form.recipe.device)
        except DiffIRError as error:
            self.status.message.setText(str(error))
            return
        self.tabs.setCurrentIndex(1)

    def _folder(self) -> Path:
        folder = self.form.folder
        if folder is None:
            raise InputError(self.form.problem)
        return folder

    def stop(self) -> None:
        """End the run with a checkpoint, after the step under way."""
        self._session.stop()

    def use_in_restore(self) -> None:
        """Choose the trained model in the Restore widget, which opens if need be."""
        model = self._model()
        if model is None:
            return
        window = self._viewer.window
        _, restore = window.add_plugin_dock_widget(
            "napari-diffir", "Restore", tabify=True
        )
        restore.add_model(model.path, model.name)
        self.state.message = f"In Restore: {model.description}."

    def _model(self) -> TrainedModel | None:
        folder = self.state.folder
        return usable_model(folder) if folder is not None else None

    def _look_at_folder(self) -> None:
        folder = self.form.folder
        if folder is not None and not self.state.is_active:
            self._look_at(folder)
        self._show_buttons()

    def _look_at(self, folder: Path) -> None:
        if holds_run(folder) or self.state.folder is not None:
            self._session.look_at(folder)

    def _show_buttons(self) -> None:
        phase, active = self.state.phase, self.state.is_active
        folder = self.form.folder
        has_run = folder is not None and holds_run(folder)
        free = not active and not self._session.is_busy
        self.form.setEnabled(not active)
        self.start_button.setEnabled(free and not has_run and self.form.is_complete)
        self.pause_button.setEnabled(phase == "running")
        self.stop_button.setEnabled(active)
        self.resume_button.setEnabled(phase == "paused" or (free and has_run))
        model = None if active else self._model()
        self.use_button.setEnabled(model is not None)
        which = f": {model.description}." if model else "."
        self.use_button.setToolTip(_USE_TIP + which)

    def _leave(self, *, is_destroyed: bool) -> None:
        self.state.events.phase.disconnect(self._show_buttons)
        self.state.events.folder.disconnect(self._show_buttons)
        self.status.leave()
        self.form.leave()
        self.view.leave()
        self._session.leave()
