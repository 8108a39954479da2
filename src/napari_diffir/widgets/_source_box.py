"""A choice among the image layers of the viewer and folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_diffir._inputs import images_in, is_input
from napari_diffir._layer_files import LayerImage
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir.widgets._layer_watch import LayerWatch

if TYPE_CHECKING:
    import napari

_FOLDER = "Folder of images…"
_MINIMUM_LETTERS = 12


def narrow(box: QComboBox) -> QComboBox:
    """Let a box be narrower than its longest entry, and give it."""
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.setSizeAdjustPolicy(policy)
    box.setMinimumContentsLength(_MINIMUM_LETTERS)
    return box


class SourceBox(QComboBox):
    """Lists layers, which come and go, folders that were chosen, and a way to more."""

    more: ClassVar[tuple[str, ...]] = (_FOLDER,)
    """The entries that ask for a file or folder."""
    placeholder = "Choose images…"
    """What is shown while nothing is chosen."""
    changed = Signal()
    """Another one is chosen."""
    listed = Signal()
    """The layers have been listed anew."""
    altered = Signal(str)
    """The chosen layer has other "data" or "axis_labels"."""

    def __init__(self, viewer: napari.Viewer, title: str, tip: str) -> None:
        super().__init__()
        self._viewer, self._title = viewer, title
        self._watch = LayerWatch(self, self._tell_altered, self.refresh)
        self._told: Any = None
        self.setToolTip(tip)
        self.setPlaceholderText(self.placeholder)
        narrow(self)
        events = viewer.layers.events
        events.inserted.connect(self.refresh)
        events.removed.connect(self.refresh)
        self.refresh()
        self.activated.connect(self._choose_more)
        self.currentIndexChanged.connect(self._tell)

    @property
    def layer(self) -> Image | None:
        """The chosen layer; None where a folder is chosen."""
        chosen = self.currentData()
        return chosen if isinstance(chosen, Image) else None

    @property
    def source(self) -> LayerImage | Path | None:
        """The chosen layer's array, or the chosen folder."""
        if self.layer is not None:
            return LayerImage(full_resolution(self.layer), axes_of(self.layer)[0])
        return Path(self.currentData()) if self.currentData() else None

    @property
    def is_guessed(self) -> bool:
        """Whether a layer is chosen whose axes have no names."""
        return self.layer is not None and axes_of(self.layer)[1]

    def refresh(self, event: Any = None) -> None:
        """List the image layers anew; folders and the choice stay."""
        folders = [self.itemData(i) for i in range(self.count())]
        images = images_in(self._viewer)
        layers = [layer for layer in images if is_input(layer)]
        self._watch.follow(images)
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, layer)
        for folder in folders:
            if isinstance(folder, str):
                self.addItem(Path(folder).name, folder)
        self.addItems(list(self.more))
        self.setCurrentIndex(self._index_or_first(self._told))
        self.blockSignals(False)
        self._tell()
        self.listed.emit()

    def _index_or_first(self, chosen: Any) -> int:
        """Give the entry of a choice, or else the first; none where all only ask."""
        still = self._index_of(chosen)
        return still if still >= 0 or self.itemData(0) is None else 0

    def _tell(self, index: int = -1) -> None:
        """Tell of another choice; an entry that asks is none until it is answered."""
        chosen = self.currentData()
        is_asking = chosen is None and self.currentIndex() >= 0
        if not is_asking and not _is_same(chosen, self._told):
            self._told = chosen
            self.changed.emit()

    def _tell_altered(self, layer: Image, what: str) -> None:
        if layer is self.layer:
            self.altered.emit(what)

    def _index_of(self, chosen: Any) -> int:
        entries = (self.itemData(i) for i in range(self.count()))
        same = (i for i, data in enumerate(entries) if _is_same(data, chosen))
        return next(same, -1) if chosen is not None else -1

    def choose_other_than(self, layer: Image | None) -> None:
        """Choose another layer if this one is chosen, and there is another."""
        if layer is None or self.layer is not layer:
            return
        entries = [self.itemData(i) for i in range(self.count())]
        others = (i for i, one in enumerate(entries) if isinstance(one, Image))
        self.setCurrentIndex(
            next((i for i in others if entries[i] is not layer), self.currentIndex())
        )

    def add_folder(self, folder: Path) -> None:
        """Offer a folder of images, and choose it."""
        self.blockSignals(True)
        self.removeItem(self._index_of(str(folder)))
        self.insertItem(0, folder.name, str(folder))
        self.setCurrentIndex(0)
        self.blockSignals(False)
        self._told = None  # Chosen again, the same may be meant in another way.
        self._tell()

    def _choose_more(self, index: int) -> None:
        text = self.itemText(index)
        if self.itemData(index) is not None or text not in self.more:
            return
        path = self.ask(text)
        if path is not None:
            self.add_folder(path)
        else:
            self.setCurrentIndex(self._index_or_first(self._told))

    def ask(self, text: str) -> Path | None:
        """Ask for what an entry of `more` stands for."""
        name = QFileDialog.getExistingDirectory(self, self._title)
        return Path(name) if name else None

    def leave(self) -> None:
        """Leave the events of the viewer and of its layers."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self.refresh)
        events.removed.disconnect(self.refresh)
        self._watch.follow(())


def _is_same(one: Any, other: Any) -> bool:
    """Compare choices: layers as objects; Qt gives another copy of a text each time."""
    return one is other or (isinstance(one, str) and one == other)
