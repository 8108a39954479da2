"""A choice among the image layers of the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import QComboBox

from napari_diffir._inputs import images_in, is_input
from napari_diffir.widgets._layer_watch import LayerWatch
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    import napari


class LayerBox(QComboBox):
    """Lists layers, which come and go; begins with the one on top."""

    changed = Signal()
    """Another layer is chosen, or none is left."""
    altered = Signal(str)
    """The chosen layer has other "data" or "axis_labels"."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._watch = LayerWatch(self, self._tell_altered, self._refresh)
        narrow(self)
        events = viewer.layers.events
        events.inserted.connect(self._refresh)
        events.removed.connect(self._refresh)
        self._refresh()
        self.currentIndexChanged.connect(lambda _: self.changed.emit())

    def leave(self) -> None:
        """Leave the events of the viewer and of its layers."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._refresh)
        events.removed.disconnect(self._refresh)
        self._watch.follow(())

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.currentData()

    def _refresh(self, event: Any = None) -> None:
        """List the layers anew; the choice stays while it can."""
        chosen, images = self.layer, images_in(self._viewer)
        self._watch.follow(images)
        layers = [layer for layer in images if is_input(layer)]
        if [self.itemData(i) for i in range(self.count())] == layers:
            return
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, layer)
        index = next((i for i, one in enumerate(layers) if one is chosen), -1)
        self.setCurrentIndex(index if index >= 0 else len(layers) - 1)
        self.blockSignals(False)
        if index < 0:
            self.changed.emit()

    def _tell_altered(self, layer: Image, what: str) -> None:
        if layer is self.layer:
            self.altered.emit(what)
