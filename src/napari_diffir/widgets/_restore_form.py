"""What is to be restored: a layer and its axes, a model, options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError
from diffir_core.models import shipped_models
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import check_axes
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir.widgets._parts import small_label

if TYPE_CHECKING:
    import napari

_DEVICES = ("auto", "cpu", "cuda", "mps")
_FROM_FILE = "From a file…"


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
        self._refresh_layers()

    def _build(self) -> None:
        self.layer_box, self.model_box = QComboBox(), QComboBox()
        self.device_box, self.axes_edit = QComboBox(), QLineEdit()
        self.model_box.addItems([*shipped_models(), _FROM_FILE])
        self.device_box.addItems(_DEVICES)
        self.axes_hint = small_label()
        self._add_tooltips()
        form = QFormLayout()
        form.addRow("Layer", self.layer_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow("", self.axes_hint)
        form.addRow("Model", self.model_box)
        form.addRow("Device", self.device_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self._build_options())

    def _build_options(self) -> QGroupBox:
        self.seed_box = QSpinBox()
        self.seed_box.setRange(0, 2**31 - 1)
        self.scope_box = QComboBox()
        self.scope_box.addItem("each plane", "plane")
        self.scope_box.addItem("the whole stack", "stack")
        self.low_box, self.high_box = _percentile_box(1.0), _percentile_box(99.8)
        box = QGroupBox("Options")
        form = QFormLayout(box)
        form.addRow("Prior (IPR) from", self.scope_box)
        form.addRow("Seed", self.seed_box)
        form.addRow("Dark percentile", self.low_box)
        form.addRow("Bright percentile", self.high_box)
        return box

    def _add_tooltips(self) -> None:
        self.axes_edit.setToolTip(
            "One letter a dimension: T time, C channel, Z depth, Y and X, S for RGB."
        )
        self.model_box.setToolTip("A shipped model, or weights of your own.")
        self.device_box.setToolTip("'auto' takes a CUDA device when there is one.")

    def _connect(self) -> None:
        events = self._viewer.layers.events
        events.inserted.connect(self._refresh_layers)
        events.removed.connect(self._refresh_layers)
        self.layer_box.currentIndexChanged.connect(self._show_axes)
        self.axes_edit.textChanged.connect(lambda _: self.check_axes())
        self.model_box.activated.connect(self._choose_file)

    def leave(self) -> None:
        """Leave the viewer's events."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._refresh_layers)
        events.removed.disconnect(self._refresh_layers)

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.layer_box.currentData()

    @property
    def axes(self) -> str:
        """The axes of the layer, as they stand in their field."""
        return self.axes_edit.text().upper()

    @property
    def model(self) -> str:
        """The name of the chosen shipped model, or the path of a file."""
        return self.model_box.currentData() or self.model_box.currentText()

    @property
    def options(self) -> RestoreOptions:
        """The chosen options."""
        return RestoreOptions.parse(
            {
                "seed": self.seed_box.value(),
                "device": self.device_box.currentText(),
                "ipr_scope": self.scope_box.currentData(),
                "intensity": {
                    "low_percentile": self.low_box.value(),
                    "high_percentile": self.high_box.value(),
                },
            }
        )

    def _refresh_layers(self, event: Any = None) -> None:
        chosen = self.layer
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                self.layer_box.addItem(layer.name, layer)
        index = self.layer_box.findText(chosen.name) if chosen is not None else -1
        last = self.layer_box.count() - 1
        self.layer_box.setCurrentIndex(index if index >= 0 else last)
        self.layer_box.blockSignals(False)
        if index < 0:
            self._show_axes()

    def _show_axes(self, index: int = -1) -> None:
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

    def _choose_file(self, index: int) -> None:
        if self.model_box.itemText(index) != _FROM_FILE:
            return
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose a model", "", "Models (*.safetensors *.pth *.pt *.ckpt)"
        )
        if name:
            self.add_model(Path(name))
        else:
            self.model_box.setCurrentIndex(0)

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        self.model_box.insertItem(0, name or path.name, str(path))
        self.model_box.setCurrentIndex(0)


def _percentile_box(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, 100.0)
    box.setDecimals(2)
    box.setSingleStep(0.1)
    box.setValue(value)
    return box
