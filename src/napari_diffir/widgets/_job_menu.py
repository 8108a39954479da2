"""The menu of a job: load, save, copy as command and as Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from diffir_core.errors import DiffIRError
from diffir_core.stacks.job_text import as_command, as_python
from diffir_core.stacks.jobs import RestoreJob
from napari_diffir._typed_paths import saved_as
from napari_diffir.widgets._copy_menu import CopyButton

_KINDS = "Job (*.yaml *.yml)"


class JobButton(CopyButton):
    """A button with what can be done with a job."""

    loaded = Signal(RestoreJob)

    def __init__(
        self, job: Callable[[], RestoreJob], python: Callable[[], str] | None = None
    ) -> None:
        """Keep what `job` gives; `python` is the script, if not that of the job."""
        tip = "Keep these choices as a file, a command or a script."
        super().__init__("&Job…", tip)
        self._job = job
        self.add("Load…", self._ask_load)
        self.add("Save…", self._ask_save)
        self.add_copy("Copy as command", lambda: as_command(job()))
        self.add_copy("Copy as Python", python or (lambda: as_python(job())))

    def load(self, path: Path) -> None:
        """Load a job from a YAML file, such as the one beside every output."""
        try:
            job = RestoreJob.load(path)
        except DiffIRError as error:
            self.said.emit(str(error))
            return
        self.loaded.emit(job)
        self.said.emit(f"Loaded {path.name}.")

    def save(self, name: str | Path) -> None:
        """Save the choices as a job, a .yaml unless the name says otherwise."""
        try:
            path = saved_as(str(name), ".yaml")
            path.write_text(self._job().to_yaml(), encoding="utf-8")
        except (DiffIRError, OSError) as error:
            self.said.emit(str(error))
            return
        self.said.emit(f"Saved. In a shell: diffir restore --options {path}")

    def _ask_load(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Job to load", "", _KINDS)
        if name:
            self.load(Path(name))

    def _ask_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the job", "job.yaml", _KINDS)
        if name:
            self.save(name)
