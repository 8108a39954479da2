"""A choice among the shipped models and weights files."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QComboBox, QFileDialog

from diffir_core.models import shipped_models
from napari_diffir.widgets._source_box import narrow

_FROM_FILE = "From a file…"
_KINDS = "Models (*.safetensors *.pth *.pt *.ckpt)"


class ModelBox(QComboBox):
    """Lists models by name, and a way to others."""

    def __init__(self) -> None:
        super().__init__()
        narrow(self)
        self.addItems([*shipped_models(), _FROM_FILE])
        self.setToolTip("A shipped model, or weights of your own.")
        self.activated.connect(self._choose_file)

    @property
    def chosen(self) -> str:
        """The name of the chosen shipped model, or the path of a file."""
        return self.currentData() or self.currentText()

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        known = self.findData(str(path))
        if known < 0:
            self.insertItem(0, name or path.name, str(path))
        self.setCurrentIndex(max(0, known))

    def choose(self, model: str) -> None:
        """Choose a shipped model by its name, or a file by its path."""
        if model in shipped_models():
            self.setCurrentIndex(self.findText(model))
        else:
            self.add_model(Path(model))

    def _choose_file(self, index: int) -> None:
        if self.itemText(index) != _FROM_FILE:
            return
        name, _ = QFileDialog.getOpenFileName(self, "Choose a model", "", _KINDS)
        if name:
            self.add_model(Path(name))
        else:
            self.setCurrentIndex(0)
