"""Which layer is to be restored, along which axes, by which model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QVBoxLayout, QWidget

from diffir_core.errors import DiffIRError
from diffir_core.stacks.axes import check_axes
from napari_diffir._ipr_sight import image_of
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir.widgets._layer_box import LayerBox
from napari_diffir.widgets._model_box import ModelBox
from napari_diffir.widgets._parts import AXES_TIP, small_label

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_diffir._ipr_state import ImageChoice


class LayerSource(QWidget):
    """The choice of a layer, its axes and a model; `changed` tells of all three."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.layer_box, self.model_box = LayerBox(viewer), ModelBox()
        self.axes_edit, self.axes_hint = QLineEdit(), small_label()
        self.axes_edit.setToolTip(AXES_TIP)
        self.layer_box.setToolTip("The image to restore; it is not changed.")
        form = QFormLayout()
        form.addRow("Layer", self.layer_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow("", self.axes_hint)
        form.addRow("Model", self.model_box)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(form)
        self._take_layer()
        self._connect()

    def _connect(self) -> None:
        self.layer_box.changed.connect(self._take_layer)
        self.layer_box.altered.connect(self._take_alteration)
        self.axes_edit.textChanged.connect(lambda _: self._tell())
        self.model_box.changed.connect(self._tell)

    def leave(self) -> None:
        """Stop listening to the viewer."""
        self.layer_box.leave()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.layer_box.layer

    @property
    def axes(self) -> str:
        """Its axes, as they stand in their field."""
        return self.axes_edit.text().strip().upper()

    @property
    def model(self) -> str:
        """A shipped model's name, or the path of a weights file."""
        return self.model_box.chosen

    @property
    def image(self) -> ImageChoice | None:
        """The chosen image, if its axes are possible."""
        layer = self.layer
        return None if layer is None or self.problem else image_of(layer, self.axes)

    @property
    def problem(self) -> str:
        """Why nothing can be done with the choice, or nothing."""
        if self.layer is None:
            return "Open an image first."
        try:
            check_axes(self.axes, full_resolution(self.layer).shape)
        except DiffIRError as error:
            return str(error)
        return ""

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        self.model_box.add_model(path, name)

    def choose_model(self, model: str) -> None:
        """Choose a model, which is offered from now on."""
        self.model_box.choose(model)

    def choose_layer(self, name: str) -> None:
        """Choose a layer by its name, if it is there."""
        index = self.layer_box.findText(name)
        if index >= 0:
            self.layer_box.setCurrentIndex(index)

    def _take_layer(self) -> None:
        layer = self.layer
        self.axes_edit.blockSignals(True)
        self.axes_edit.setText("" if layer is None else axes_of(layer)[0])
        self.axes_edit.blockSignals(False)
        self._tell()

    def _take_alteration(self, what: str) -> None:
        """Read the axes again where they were named, or where they fit no more."""
        if what == "axis_labels" or self.problem:
            self._take_layer()
        else:
            self._tell()

    def _tell(self) -> None:
        layer, hint = self.layer, self.problem
        if layer is not None and not hint and axes_of(layer) == (self.axes, True):
            hint = "The axes are guessed: those of the layer have no names."
        self.axes_hint.setText(hint)
        self.axes_hint.setVisible(bool(hint))
        self.changed.emit()
