"""The models at hand: shipped, the user's own, files dropped in; each with its card."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from diffir_core.models import shipped_models
from napari_diffir._latest import LatestLane
from napari_diffir._own_models import WEIGHTS, add_model, card_text, own_models
from napari_diffir._preferences import preferences
from napari_diffir._scripting import Failure
from napari_diffir._wording import told
from napari_diffir.widgets._parts import button, small_label

_SIZE_PIXELS = (720, 420)
_KINDS = "Weights (*.safetensors *.pth *.pt *.ckpt)"


class ModelManager(QDialog):
    """Lists models beside the card of the chosen one; weights can be dropped on it."""

    used = Signal(str)
    """The name of a shipped model, or the path of a file, that is to be used."""
    added = Signal(Path)
    """A model has come into the user's folder."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("DiffIR models")
        self.resize(*_SIZE_PIXELS)
        self.setAcceptDrops(True)
        self.list, self.card = QListWidget(), QTextBrowser()
        self.message = small_label(
            "Drop official weights or your own here; they are checked, converted and "
            f"kept in {preferences().models}."
        )
        self.list.currentItemChanged.connect(lambda *_: self._show_card())
        self._lane, self._adding = LatestLane(), LatestLane(self._add_next)
        self._waiting: list[Path] = []
        self._said: list[str] = []
        self._end_when_destroyed()
        self._lay_out()
        self.refresh()

    def _end_when_destroyed(self) -> None:
        waiting, lanes = self._waiting, (self._lane, self._adding)

        def end(_: object = None) -> None:
            waiting.clear()
            for lane in lanes:
                lane.cancel()

        self.destroyed.connect(end)

    def _lay_out(self) -> None:
        add = button("&Add a file…", "Official weights, or your own.", self._ask)
        use = button("&Use", "Choose this model in the widget.", self.use)
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self.list, 1)
        above.addWidget(self.card, 2)
        below.addWidget(add)
        below.addStretch()
        below.addWidget(use)
        layout = QVBoxLayout(self)
        layout.addLayout(above)
        layout.addWidget(self.message)
        layout.addLayout(below)

    def refresh(self) -> None:
        """List the models anew."""
        self.list.clear()
        for name in shipped_models():
            self._list(f"{name} (shipped)", name)
        for path in own_models(preferences().models):
            self._list(path.stem, str(path))
        self.list.setCurrentRow(0)

    def _list(self, text: str, model: str) -> None:
        item = QListWidgetItem(text, self.list)
        item.setData(Qt.ItemDataRole.UserRole, model)

    @property
    def chosen(self) -> str | None:
        """The name or path of the chosen model."""
        item = self.list.currentItem()
        return None if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def choose(self, model: str) -> None:
        """Choose a model by its name or path, if it is listed."""
        for row in range(self.list.count()):
            if self.list.item(row).data(Qt.ItemDataRole.UserRole) == model:
                self.list.setCurrentRow(row)

    def _show_card(self) -> None:
        """Have a worker read the card: the first one imports PyTorch, in seconds."""
        self.card.setMarkdown("Reading its card…" if self.chosen else "")
        if self.chosen:
            self._lane.submit(partial(_card_steps, self.chosen), self._take_card)

    def _take_card(self, found: str | Failure) -> None:
        words = str(found.error) if isinstance(found, Failure) else found
        self.card.setMarkdown(words)

    def use(self) -> None:
        """Tell which model is to be used, and close."""
        if self.chosen:
            self.used.emit(self.chosen)
        self.accept()

    def add(self, *files: Path) -> None:
        """Add weights files to the user's folder, one after the other."""
        self._waiting.extend(files)
        if not self._adding.is_busy:
            self._said.clear()
            self._add_next()

    def _add_next(self) -> None:
        """Have a worker check and convert a file: a large one takes seconds."""
        if not self._waiting:
            return
        file = self._waiting.pop(0)
        self.message.setText("\n".join([*self._said, f"Adding {file.name}…"]))
        steps = partial(_adding_steps, file, preferences().models)
        self._adding.submit(steps, self._take_added)

    def _take_added(self, found: Path | Failure) -> None:
        if isinstance(found, Failure):
            self._say(str(told(found.error)))
            return
        self.refresh()
        self.choose(str(found))
        self._say(f"Added {found.name}.")
        self.added.emit(found)

    def _say(self, sentence: str) -> None:
        self._said.append(sentence)
        self.message.setText("\n".join(self._said))

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Weights to add", "", _KINDS)
        if name:
            self.add(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take weights files."""
        urls = event.mimeData().urls()
        if any(url.toLocalFile().lower().endswith(WEIGHTS) for url in urls):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add what is dropped."""
        self.add(*(Path(url.toLocalFile()) for url in event.mimeData().urls()))


def _card_steps(model: str) -> Generator[str, None, None]:
    yield card_text(model)


def _adding_steps(file: Path, folder: Path) -> Generator[Path, None, None]:
    yield add_model(file, folder)
