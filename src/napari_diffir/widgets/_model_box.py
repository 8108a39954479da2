"""A choice among the shipped models, the user's own, and weights files."""

from __future__ import annotations

from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from diffir_core.models import shipped_models
from napari_diffir._own_models import own_models
from napari_diffir._preferences import preferences
from napari_diffir.widgets._model_manager import ModelManager
from napari_diffir.widgets._source_box import narrow

_FROM_FILE, _MANAGE = "From a file…", "About the models…"
_KINDS = "Models (*.safetensors *.pth *.pt *.ckpt)"


class ModelBox(QComboBox):
    """Lists models by name, and a way to others and to their cards."""

    changed = Signal()
    """Another model is chosen."""

    def __init__(self) -> None:
        super().__init__()
        narrow(self)
        self.manager: ModelManager | None = None
        self._chosen = next(iter(shipped_models()), "")
        for name in shipped_models():
            self.addItem(name, name)
        for path in own_models(preferences().models):
            self.addItem(path.stem, str(path))
        self.addItems([_FROM_FILE, _MANAGE])
        self.setToolTip(
            "A shipped model, or weights of your own. What each is for and what it was "
            "trained on: 'About the models…'."
        )
        self.activated.connect(self._do_entry)
        self.currentIndexChanged.connect(self._remember)

    @property
    def chosen(self) -> str:
        """The name of the chosen shipped model, or the path of a file."""
        return self._chosen

    def _remember(self, index: int) -> None:
        """Keep the choice while an entry that is no model is pressed."""
        before, self._chosen = self._chosen, self.itemData(index) or self._chosen
        if self._chosen != before:
            self.changed.emit()

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        known = self.findData(str(path))
        if known < 0:
            self.insertItem(0, name or path.name, str(path))
        elif name:  # It was trained further, or is another run's.
            self.setItemText(known, name)
        self.setCurrentIndex(self.findData(str(path)))

    def choose(self, model: str) -> None:
        """Choose a shipped model by its name, or a file by its path."""
        if model in shipped_models():
            self.setCurrentIndex(self.findData(model))
        else:
            self.add_model(Path(model))

    def _do_entry(self, index: int) -> None:
        text = self.itemText(index)
        if self.itemData(index) is not None:
            return
        self.setCurrentIndex(self.findData(self._chosen))
        if text == _MANAGE:
            self.manage()
            return
        name, _ = QFileDialog.getOpenFileName(self, "Choose a model", "", _KINDS)
        if name:
            self.add_model(Path(name))

    def manage(self) -> None:
        """Open the models with their cards."""
        if self.manager is None:
            self.manager = ModelManager(self)
            self.manager.used.connect(self.choose)
            self.manager.added.connect(self._offer)
        self.manager.choose(self.chosen)
        self.manager.show()

    def _offer(self, path: Path) -> None:
        self.insertItem(self.findText(_FROM_FILE), path.stem, str(path))
