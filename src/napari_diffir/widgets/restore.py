"""The Restore widget: choose a layer and a model, press Restore."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError
from diffir_core.models import shipped_models
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import check_axes
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir._pyside import spare_references
from napari_diffir._scripting import Failure, restored_layer, steps_or_failure

if TYPE_CHECKING:
    import napari

    from diffir_core.stacks.stream import RestoreProgress
    from napari_diffir._scripting import RestoreResult

_DEVICES = ("auto", "cpu", "cuda", "mps")
_FROM_FILE = "From a file…"
_BAR_STEPS = 1000
_MINIMUM_WIDTH_PIXELS = 300


class RestoreWidget(QWidget):
    """Restore an image layer; the result is a new layer beside it."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        spare_references()
        self._viewer = napari_viewer
        self._worker: GeneratorWorker[Any, Any, Any] | None = None
        self._started = 0.0
        self._build()
        self._connect()
        self._refresh_layers()

    def _build(self) -> None:
        self.setMinimumWidth(_MINIMUM_WIDTH_PIXELS)
        self.layer_box, self.model_box = QComboBox(), QComboBox()
        self.device_box, self.axes_edit = QComboBox(), QLineEdit()
        self.model_box.addItems([*shipped_models(), _FROM_FILE])
        self.device_box.addItems(_DEVICES)
        self.axes_hint = _small_label()
        self.status = _small_label()
        self.progress_bar = QProgressBar()
        self.progress_bar.setRange(0, _BAR_STEPS)
        self.restore_button = QPushButton("Restore")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self._add_tooltips()

        form = QFormLayout()
        form.addRow("Layer", self.layer_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow("", self.axes_hint)
        form.addRow("Model", self.model_box)
        form.addRow("Device", self.device_box)
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._build_options())
        layout.addLayout(buttons)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.status)
        layout.addStretch()

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
        self.cancel_button.setToolTip("Stops within a moment; nothing is added.")

    def _connect(self) -> None:
        events = self._viewer.layers.events
        events.inserted.connect(self._refresh_layers)
        events.removed.connect(self._refresh_layers)
        self.layer_box.currentIndexChanged.connect(self._show_axes)
        self.axes_edit.textChanged.connect(self._check_axes)
        self.model_box.activated.connect(self._choose_file)
        self.restore_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.layer_box.currentData()

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

    def start(self) -> None:
        """Begin to restore the chosen layer."""
        layer = self.layer
        if layer is None or self._worker is not None or not self._check_axes():
            return
        model = self.model_box.currentData() or self.model_box.currentText()
        try:
            options = self.options
        except DiffIRError as error:
            self._show_failure(error)
            return
        worker = create_worker(
            steps_or_failure,
            full_resolution(layer),
            self.axes_edit.text().upper(),
            model,
            options,
            _start_thread=False,
        )
        worker.yielded.connect(self._show_progress)
        worker.returned.connect(lambda result: self._take_result(layer, result))
        worker.aborted.connect(lambda: self.status.setText("Cancelled; nothing added."))
        worker.finished.connect(self._end)
        self._begin(worker)

    def _begin(self, worker: GeneratorWorker[Any, Any, Any]) -> None:
        self._worker, self._started = worker, time.monotonic()
        self.restore_button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self.progress_bar.setValue(0)
        self.status.setText("Loading the model…")
        worker.start()

    def cancel(self) -> None:
        """Stop the restoration under way, within one strip."""
        if self._worker is not None:
            self.status.setText("Cancelling…")
            self._worker.quit()

    def _end(self) -> None:
        self._worker = None
        self.restore_button.setEnabled(self.layer is not None)
        self.cancel_button.setEnabled(False)

    def _take_result(self, layer: Image, result: Failure | RestoreResult) -> None:
        if isinstance(result, Failure):
            self._show_failure(result.error)
        else:
            self._add_result(layer, result)

    def _add_result(self, layer: Image, result: RestoreResult) -> None:
        added = restored_layer(layer, result).add_to(self._viewer)
        report = result[2]
        self.progress_bar.setValue(_BAR_STEPS)
        self.status.setText(
            f"Restored {report['planes']} planes in {report['seconds']:.1f} s; "
            f"{report['clipped_values']} values clipped."
        )
        show_info(f"DiffIR: '{added.name}' is ready.")

    def _show_progress(self, progress: RestoreProgress) -> None:
        self.progress_bar.setValue(int(progress.fraction * _BAR_STEPS))
        elapsed = time.monotonic() - self._started
        left = elapsed / progress.fraction - elapsed if progress.fraction else 0.0
        self.status.setText(
            f"Plane {progress.planes_done} of {progress.planes}, "
            f"about {left:.0f} s left"
        )

    def _show_failure(self, error: Exception) -> None:
        self.progress_bar.setValue(0)
        self.status.setText(str(error))
        show_error(f"DiffIR: {error}")

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
        self._check_axes()

    def _check_axes(self, text: str = "") -> bool:
        layer = self.layer
        if layer is None:
            self.axes_hint.setText("Open an image first.")
            self.restore_button.setEnabled(False)
            return False
        try:
            check_axes(self.axes_edit.text(), full_resolution(layer).shape)
        except DiffIRError as error:
            self.axes_hint.setText(str(error))
            self.restore_button.setEnabled(False)
            return False
        axes, guessed = axes_of(layer)
        unsure = guessed and axes == self.axes_edit.text()
        self.axes_hint.setText(
            "guessed: the layer's axes have no names" if unsure else ""
        )
        self.restore_button.setEnabled(self._worker is None)
        return True

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

    def add_model(self, path: Path) -> None:
        """Offer a weights file, and choose it."""
        self.model_box.insertItem(0, path.name, str(path))
        self.model_box.setCurrentIndex(0)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the worker and leave the viewer's events."""
        self.cancel()
        events = self._viewer.layers.events
        events.inserted.disconnect(self._refresh_layers)
        events.removed.disconnect(self._refresh_layers)
        super().closeEvent(event)


def _small_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _percentile_box(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, 100.0)
    box.setDecimals(2)
    box.setSingleStep(0.1)
    box.setValue(value)
    return box
