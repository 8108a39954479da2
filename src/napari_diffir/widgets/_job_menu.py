"""The menu of a job: load, save, copy as command and as Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QToolButton

from diffir_core.errors import DiffIRError
from diffir_core.stacks.job_text import as_command, as_python
from diffir_core.stacks.jobs import RestoreJob

_KINDS = "Job (*.yaml *.yml)"


class JobButton(QToolButton):
    """A button with what can be done with a job; errors are told by `said`."""

    loaded = Signal(RestoreJob)
    said = Signal(str)

    def __init__(self, job: Callable[[], RestoreJob]) -> None:
        super().__init__()
        self._job = job
        self.setText("&Job…")
        self.setToolTip("Keep these choices as a file, a command or a script.")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        menu.addAction("Load…").triggered.connect(lambda _=False: self._ask_load())
        menu.addAction("Save…").triggered.connect(lambda _=False: self._ask_save())
        menu.addAction("Copy as command").triggered.connect(
            lambda _=False: self.copy(as_command)
        )
        menu.addAction("Copy as Python").triggered.connect(
            lambda _=False: self.copy(as_python)
        )
        self.setMenu(menu)
        # The arrow would be drawn over the text.
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")

    def load(self, path: Path) -> None:
        """Load a job from a YAML file, such as the one beside every output."""
        try:
            job = RestoreJob.load(path)
        except DiffIRError as error:
            self.said.emit(str(error))
            return
        self.loaded.emit(job)
        self.said.emit(f"Loaded {path.name}.")

    def save(self, path: Path) -> None:
        """Save the choices as a job."""
        try:
            path.write_text(self._job().to_yaml(), encoding="utf-8")
        except (DiffIRError, OSError) as error:
            self.said.emit(str(error))
            return
        self.said.emit(f"Saved. In a shell: diffir restore --options {path}")

    def copy(self, door: Callable[[RestoreJob], str]) -> None:
        """Copy the choices as text to the clipboard."""
        try:
            text = door(self._job())
        except DiffIRError as error:
            self.said.emit(str(error))
            return
        QApplication.clipboard().setText(text)
        self.said.emit("Copied.")

    def _ask_load(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Job to load", "", _KINDS)
        if name:
            self.load(Path(name))

    def _ask_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the job", "job.yaml", _KINDS)
        if name:
            self.save(Path(name))
