"""What is to be restored: a layer and its axes, a model, options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import check_axes
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir.widgets._layer_box import LayerBox
from napari_diffir.widgets._model_box import ModelBox
from napari_diffir.widgets._options_box import OptionsBox
from napari_diffir.widgets._parts import AXES_TIP, small_label

if TYPE_CHECKING:
    import napari


class RestoreForm(QWidget):
    """The choices before a restoration; `changed` tells of the layer and its axes."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.is_complete = False
        """Whether a layer is chosen whose axes are possible."""
        self._build()
        self._connect()
        self._show_axes()

    def _build(self) -> None:
        self.layer_box, self.model_box = LayerBox(self._viewer), ModelBox()
        self.axes_edit, self.options_box = QLineEdit(), OptionsBox()
        self.axes_hint = small_label()
        self.axes_edit.setToolTip(AXES_TIP)
        self.layer_box.setToolTip("The image to restore; it is not changed.")
        form = QFormLayout()
        form.addRow("Layer", self.layer_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow("", self.axes_hint)
        form.addRow("Model", self.model_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.options_box)

    def _connect(self) -> None:
        self.layer_box.changed.connect(self._show_axes)
        self.axes_edit.textChanged.connect(lambda _: self.check_axes())

    def leave(self) -> None:
        """Leave the viewer's events."""
        self.layer_box.leave()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.layer_box.layer

    @property
    def axes(self) -> str:
        """The axes of the layer, as they stand in their field."""
        return self.axes_edit.text().upper()

    @property
    def model(self) -> str:
        """The name of the chosen shipped model, or the path of a file."""
        return self.model_box.chosen

    @property
    def options(self) -> RestoreOptions:
        """The chosen options."""
        return self.options_box.options

    def _show_axes(self) -> None:
        layer = self.layer
        axes, _ = ("", False) if layer is None else axes_of(layer)
        self.axes_edit.setText(axes)
        self.check_axes()

    def check_axes(self) -> bool:
        """Tell whether the axes suit the layer, and say below them if they do not."""
        problem = self._problem()
        self.is_complete = not problem
        layer, hint = self.layer, problem
        if layer is not None and not problem:
            axes, guessed = axes_of(layer)
            if guessed and axes == self.axes_edit.text():
                hint = "guessed: the layer's axes have no names"
        self.axes_hint.setText(hint)
        self.changed.emit()
        return self.is_complete

    def _problem(self) -> str:
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
