"""Small Qt parts of the widgets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

AXES_TIP = "One letter a dimension: T time, C channel, Z depth, Y and X, S for RGB."
_NUMBER_PIXELS = 44
_FIELD_PIXELS, _SLACK_PIXELS = 250, 12


class _Wrapped(QLabel):
    """Asks for as many lines as it needs; Qt would ask for those of a narrow column."""

    def sizeHint(self) -> QSize:
        """Give the size at the width of a panel's field, or of the text."""
        if not self.text():
            return super().sizeHint()
        line = self.fontMetrics().size(0, self.text()).width() + _SLACK_PIXELS
        width = max(min(line, _FIELD_PIXELS), self.minimumSizeHint().width())
        return QSize(width, self.heightForWidth(width))


def small_label(text: str = "") -> QLabel:
    """Give a label that wraps, and whose text can be copied."""
    label = _Wrapped(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def button(text: str, tip: str, pressed: Callable[[], object]) -> QPushButton:
    """Give a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda _=False: pressed())
    return made


def stop_timer(timer: QTimer) -> None:
    """Stop a timer; Qt may have deleted it already where a script has ended."""
    with suppress(RuntimeError):
        timer.stop()


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
        self.number.setMinimumWidth(self._widest_pixels())
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

    def _widest_pixels(self) -> int:
        """Give the width of the number at either end, so that the slider stays."""
        ends = (self._value_at(i) for i in (0, self.slider.maximum()))
        metrics = self.number.fontMetrics()
        widths = (metrics.horizontalAdvance(self._text.format(end)) for end in ends)
        return max(_NUMBER_PIXELS, *widths)

    def _show(self, position: int = 0) -> None:
        self.number.setText(self._text.format(self.value))
        self.changed.emit()


class Picture(QLabel):
    """A picture as wide as its place, with its own proportions."""

    def __init__(self, height: int, text: str) -> None:
        super().__init__(text)
        self._pixmap: QPixmap | None = None
        self._text = text
        self._row_pixels = 1
        self.setFixedHeight(height)
        self.setMinimumWidth(1)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.setWordWrap(True)

    def show_nothing(self) -> None:
        """Take the picture away; the text is there instead."""
        self._pixmap = None
        self.clear()  # An empty text, which it has already, would change nothing.
        self.setText(self._text)

    def show_array(self, pixels: NDArray[np.uint8]) -> None:
        """Show a grey picture (h, w)."""
        height, width = pixels.shape
        kind = QImage.Format.Format_Grayscale8
        image = QImage(pixels.tobytes(), width, height, width, kind)
        self._pixmap = QPixmap.fromImage(image)  # It copies the bytes.
        self._fit()

    def show_rows(self, path: Path, columns: int) -> None:
        """Show a file of square pictures, in rows; as many whole rows as fit."""
        self._pixmap = QPixmap(str(path))
        self._row_pixels = max(1, self._pixmap.width() // columns)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the picture to the new size."""
        self._fit()

    def _fit(self) -> None:
        """Fill the width; what is too high for the place is left out below."""
        whole = self._pixmap
        if whole is None or whole.isNull():
            return
        fitting = whole.width() * self.height() // max(1, self.width())
        rows = max(1, min(fitting, whole.height()) // self._row_pixels)
        kept = whole.copy(0, 0, whole.width(), rows * self._row_pixels)
        self.setPixmap(
            kept.scaled(
                self.size(),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
