"""Text in plots that are drawn by hand, the same with PySide6 and PyQt6."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QPainter, QTextOption


def draw_text(
    painter: QPainter, place: QRectF, alignment: Qt.AlignmentFlag, text: str
) -> None:
    """Write a text into a place; PyQt6 takes no flags where PySide6 does."""
    painter.drawText(place, text, QTextOption(alignment))
