"""The values of an IPR, and how the reverse steps came to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QToolTip, QWidget

if TYPE_CHECKING:
    from diffir_core.ipr import IPR

_HEIGHT_PIXELS, _MARGIN_PIXELS, _TEXT_PIXELS = 140, 6, 16
_LEFT_PIXELS = 44
VALUE_COLOUR, STEP_COLOUR = "#56b4e9", "#e69f00"


class VectorPlot(QWidget):
    """Draws an `IPR`: its values as a line, the steps before as fainter lines."""

    def __init__(self) -> None:
        super().__init__()
        self._ipr: IPR | None = None
        self.setFixedHeight(_HEIGHT_PIXELS)
        self.setMouseTracking(True)
        self.setAccessibleName("Values of the IPR")

    def show_ipr(self, ipr: IPR | None) -> None:
        """Draw an IPR, or nothing."""
        self._ipr = ipr
        self.update()

    @property
    def values(self) -> NDArray[np.float32] | None:
        """The values that are drawn."""
        return None if self._ipr is None else self._ipr.vector

    def _frame(self) -> QRectF:
        width = self.width() - _LEFT_PIXELS - _MARGIN_PIXELS
        height = self.height() - _MARGIN_PIXELS - _TEXT_PIXELS
        return QRectF(_LEFT_PIXELS, _MARGIN_PIXELS, max(1, width), height)

    def _limits(self, ipr: IPR) -> tuple[float, float]:
        parts = [ipr.vector] if ipr.chain is None else [ipr.vector, ipr.chain.ravel()]
        values = np.concatenate(parts)
        return float(min(0, values.min())), float(max(0, values.max())) or 1.0

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes, steps and values."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        faint = self.palette().text().color()
        faint.setAlpha(90)
        painter.setPen(faint)
        frame = self._frame()
        painter.drawRect(frame)
        if self._ipr is None:
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, "no IPR yet")
        else:
            self._draw_axes(painter, frame, self._ipr)
            self._draw_lines(painter, frame, self._ipr)
        painter.end()

    def _draw_axes(self, painter: QPainter, frame: QRectF, ipr: IPR) -> None:
        low, high = self._limits(ipr)
        zero = frame.bottom() + low / (high - low) * frame.height()
        painter.drawLine(QPointF(frame.left(), zero), QPointF(frame.right(), zero))
        painter.setPen(self.palette().text().color())
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((high, frame.top() + 6), (low, frame.bottom() - 6)):
            place = QRectF(0, y - 8, _LEFT_PIXELS - 4, 16)
            painter.drawText(place, right, f"{value:.2g}")
        below = QRectF(frame.left(), frame.bottom() + 1, frame.width(), _TEXT_PIXELS)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, str(len(ipr.vector) - 1))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "number of the value")

    def _draw_lines(self, painter: QPainter, frame: QRectF, ipr: IPR) -> None:
        limits = self._limits(ipr)
        steps = [] if ipr.chain is None else list(ipr.chain[:-1])
        for number, step in enumerate(steps):
            colour = QColor(STEP_COLOUR)
            colour.setAlpha(60 + 120 * (number + 1) // len(steps))
            painter.setPen(QPen(colour, 1))
            painter.drawPolyline(_line(step, frame, limits))
        painter.setPen(QPen(QColor(VALUE_COLOUR), 1.6))
        painter.drawPolyline(_line(ipr.vector, frame, limits))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the value under the pointer."""
        if self._ipr is None:
            return
        vector, frame = self._ipr.vector, self._frame()
        share = (event.position().x() - frame.left()) / frame.width()
        index = round(share * (len(vector) - 1))
        if 0 <= index < len(vector):
            words = f"value {index}: {vector[index]:.4f}"
            QToolTip.showText(event.globalPosition().toPoint(), words, self)


def _line(
    values: NDArray[np.float32], frame: QRectF, limits: tuple[float, float]
) -> QPolygonF:
    low, high = limits
    xs = np.linspace(frame.left(), frame.right(), len(values))
    ys = frame.bottom() - (values - low) / (high - low) * frame.height()
    return QPolygonF([QPointF(x, y) for x, y in zip(xs, ys.tolist(), strict=True)])
