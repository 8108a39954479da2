"""A user who clicks, edits and switches layers at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSlider,
    QSpinBox,
    QTabWidget,
    QToolButton,
)

WIDGETS = ("Restore", "Restore stack to disk", "IPR controls", "Train")
TEXTS = ("", "YX", "ZYX", "TZYX", "zy", "4GB", "much", "ä/…", "12")


class Monkey:
    """Does one thing after the other; everything it writes is in its folder."""

    def __init__(self, viewer: Any, folder: Path, seed: int) -> None:
        self.viewer, self.folder = viewer, folder
        self.random = np.random.default_rng(seed)
        self.widgets: dict[str, Any] = {}
        self.done: list[str] = []
        self._doings: tuple[Callable[[], str], ...] = (
            *[self._use_widget] * 12,
            *[self._look_around] * 4,
            self._add_layer,
            self._remove_layer,
            self._change_layer,
            self._close_widget,
        )

    def act(self) -> None:
        """Do something."""
        self.done.append(str(self._one_of(self._doings)()))

    def _one_of(self, choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def _use_widget(self) -> str:
        name = self._one_of(WIDGETS)
        if name not in self.widgets:
            _, widget = self.viewer.window.add_plugin_dock_widget("napari-diffir", name)
            self.widgets[name] = widget
            return f"open {name}"
        parts = [p for p in self.widgets[name].findChildren(QObject) if _is_usable(p)]
        return f"{name}: {self._use(self._one_of(parts))}" if parts else name

    def _use(self, part: Any) -> str:
        if isinstance(part, QAbstractButton):
            part.click()
            return f"press {part.text()}"
        if isinstance(part, QComboBox):
            part.setCurrentIndex(int(self.random.integers(max(1, part.count()))))
            part.activated.emit(part.currentIndex())
            return f"choose {part.currentText()}"
        if isinstance(part, QTabWidget):
            part.setCurrentIndex(int(self.random.integers(part.count())))
            return "another tab"
        if isinstance(part, QLineEdit):
            return self._write(part)
        low, high = part.minimum(), part.maximum()
        value = self.random.uniform(low, min(high, low + 100))
        part.setValue(value if isinstance(part, QDoubleSpinBox) else int(value))
        return f"set {value:.3g}"

    def _write(self, part: Any) -> str:
        text = self._one_of(TEXTS)
        if "/" in part.text():  # A place to write to stays where it does no harm.
            ending = self._one_of(("", ".ome.zarr", ".ome.tif", ".txt"))
            text = str(self.folder / f"out{int(self.random.integers(4))}{ending}")
        part.setText(text)
        part.editingFinished.emit()
        return f"write {text}"

    def _look_around(self) -> str:
        dims = self.viewer.dims
        kind = int(self.random.integers(4))
        if kind == 0 and dims.ndim > 2:
            dims.set_current_step(0, int(self.random.integers(dims.nsteps[0])))
            return "move the slider"
        if kind == 1:
            self.viewer.scene.camera.zoom *= float(self.random.uniform(0.5, 2))
            return "zoom"
        if kind == 2 and self.random.random() < 0.3:
            dims.ndisplay = 5 - dims.ndisplay
            return "2-D or 3-D"
        self.viewer.reset_view()
        return "home"

    def _add_layer(self) -> str:
        if len(self.viewer.layers) > 5:
            return "enough layers"
        shapes = ((64, 64), (4, 48, 64), (2, 3, 40, 40), (40, 48, 3))
        shape = self._one_of(shapes)
        values = self.random.integers(0, 200, shape).astype(np.uint8)
        if self.random.random() < 0.2:
            self.viewer.add_labels(values % 5 if shape[-1] != 3 else values[..., 0] % 5)
            return "add labels"
        self.viewer.add_image(values, rgb=shape[-1] == 3, contrast_limits=(0, 200))
        return f"add {shape}"

    def _remove_layer(self) -> str:
        if len(self.viewer.layers) > 1:
            self.viewer.layers.remove(self._one_of(list(self.viewer.layers)))
        return "remove a layer"

    def _change_layer(self) -> str:
        if not len(self.viewer.layers):
            return "no layer"
        layer = self._one_of(list(self.viewer.layers))
        kind = int(self.random.integers(4))
        if kind == 0:
            layer.name = f"renamed {int(self.random.integers(3))}"
        elif kind == 1:
            layer.visible = not layer.visible
        elif kind == 2:
            self.viewer.layers.selection = {layer}
        else:
            layer.scale = [float(self.random.uniform(0.1, 2))] * layer.ndim
        return f"change {layer.name}"

    def _close_widget(self) -> str:
        if not self.widgets or self.random.random() < 0.5:
            return "leave the widgets"
        name = self._one_of(list(self.widgets))
        self.viewer.window.remove_dock_widget(self.widgets.pop(name).parent())
        return f"close {name}"


def _is_usable(part: Any) -> bool:
    kinds = (QAbstractButton, QComboBox, QTabWidget, QLineEdit, QSlider)
    if not isinstance(part, (*kinds, QSpinBox, QDoubleSpinBox)):
        return False
    if isinstance(part, QToolButton) and part.menu() is not None:
        return False  # Its menu would wait for a click.
    inside = part.parent()
    if isinstance(inside, (QAbstractSpinBox, QComboBox)):
        return False
    return bool(part.isEnabled() and part.isVisibleTo(part.window()))
