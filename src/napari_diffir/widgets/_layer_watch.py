"""What becomes of the layers that a box offers, or may: names, arrays and axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from napari.layers import Image
from qtpy.QtWidgets import QComboBox


class LayerWatch:
    """Keeps the names in a box as those of its layers, and tells of other changes."""

    def __init__(
        self,
        box: QComboBox,
        altered: Callable[[Image, str], None],
        look_again: Callable[[], None],
    ) -> None:
        """Tell `altered` of a layer with other "data" or "axis_labels".

        Other metadata may make it an input, or none: `look_again` is called then.
        """
        self._box, self._altered = box, altered
        self._look_again = look_again
        self._layers: tuple[Image, ...] = ()

    def follow(self, layers: Iterable[Image]) -> None:
        """Follow these layers, and no others any more; those that stay are left alone.

        To connect all of them anew at each layer that comes took seconds of dozens.
        """
        before, self._layers = self._layers, tuple(layers)
        for layer in _without(before, self._layers):
            for name, react in self._reactions().items():
                getattr(layer.events, name).disconnect(react)
        for layer in _without(self._layers, before):
            for name, react in self._reactions().items():
                getattr(layer.events, name).connect(react)

    def _reactions(self) -> dict[str, Callable[[Any], None]]:
        return {
            "name": self._rename,
            "data": self._tell,
            "axis_labels": self._tell,
            "metadata": self._look,
        }

    def _rename(self, event: Any) -> None:
        for index in range(self._box.count()):
            if self._box.itemData(index) is event.source:
                self._box.setItemText(index, event.source.name)

    def _look(self, event: Any) -> None:
        self._look_again()

    def _tell(self, event: Any) -> None:
        self._altered(event.source, event.type)


def _without(layers: Iterable[Image], others: Iterable[Image]) -> list[Image]:
    known = {id(other) for other in others}
    return [layer for layer in layers if id(layer) not in known]
