"""Small Qt parts of the Train widget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

_NUMBER_PIXELS = 44


def small_label(text: str = "") -> QLabel:
    """Give a label that wraps, and whose text can be copied."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def button(text: str, tip: str, pressed: Callable[[], object]) -> QPushButton:
    """Give a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda _=False: pressed())
    return made


class NumberSlider(QWidget):
    """A slider in whole steps, beside the value that its position stands for."""

    changed = Signal()

    def __init__(
        self, positions: int, value_at: Callable[[int], float], text: str
    ) -> None:
        super().__init__()
        self._value_at, self._text = value_at, text
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, positions)
        self.number = QLabel()
        self.number.setMinimumWidth(_NUMBER_PIXELS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider)
        layout.addWidget(self.number)
        self.setFocusProxy(self.slider)
        self.slider.valueChanged.connect(self._show)
        self._show()

    @property
    def value(self) -> float:
        """The value at the slider's position."""
        return self._value_at(self.slider.value())

    def set_nearest(self, value: float) -> None:
        """Move to the position whose value is nearest."""
        positions = range(self.slider.maximum() + 1)
        nearest = min(positions, key=lambda i: abs(self._value_at(i) - value))
        self.slider.setValue(nearest)

    def _show(self, position: int = 0) -> None:
        self.number.setText(self._text.format(self.value))
        self.changed.emit()


class Picture(QLabel):
    """A picture as wide as its place, with its own proportions."""

    def __init__(self, height: int, text: str) -> None:
        super().__init__(text)
        self._pixmap: QPixmap | None = None
        self.setFixedHeight(height)
        self.setMinimumWidth(1)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)

    def show_array(self, pixels: NDArray[np.uint8]) -> None:
        """Show a grey picture (h, w)."""
        height, width = pixels.shape
        kind = QImage.Format.Format_Grayscale8
        image = QImage(
            np.ascontiguousarray(pixels).tobytes(), width, height, width, kind
        )
        self._fit(QPixmap.fromImage(image))  # fromImage copies the bytes.

    def show_file(self, path: Path) -> None:
        """Show a picture file; its upper part where it is higher than its place."""
        self._fit(QPixmap(str(path)))

    def resizeEvent(self, event: object) -> None:
        """Fit the picture to the new size."""
        if self._pixmap is not None:
            self._fit(self._pixmap)

    def _fit(self, pixmap: QPixmap) -> None:
        self._pixmap = pixmap
        if pixmap.isNull():
            return
        kept = pixmap
        if pixmap.width() > pixmap.height() or pixmap.width() % 3 == 0:
            highest = pixmap.width() * self.height() // max(1, self.width())
            kept = pixmap.copy(0, 0, pixmap.width(), min(highest, pixmap.height()))
        self.setPixmap(
            kept.scaled(
                self.size(),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
