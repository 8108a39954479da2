"""What becomes of the layers that a box offers: their names, arrays and axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from napari.layers import Image
from qtpy.QtWidgets import QComboBox


class LayerWatch:
    """Keeps the names in a box as those of its layers, and tells of other changes."""

    def __init__(self, box: QComboBox, altered: Callable[[Image, str], None]) -> None:
        """Tell `altered` of a layer with other "data" or "axis_labels"."""
        self._box, self._altered = box, altered
        self._layers: tuple[Image, ...] = ()

    def follow(self, layers: Iterable[Image]) -> None:
        """Follow these layers, and no others any more."""
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
            layer.events.data.disconnect(self._tell)
            layer.events.axis_labels.disconnect(self._tell)
        self._layers = tuple(layers)
        for layer in self._layers:
            layer.events.name.connect(self._rename)
            layer.events.data.connect(self._tell)
            layer.events.axis_labels.connect(self._tell)

    def _rename(self, event: Any) -> None:
        for index in range(self._box.count()):
            if self._box.itemData(index) is event.source:
                self._box.setItemText(index, event.source.name)

    def _tell(self, event: Any) -> None:
        self._altered(event.source, event.type)
