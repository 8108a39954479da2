"""The planes of a stack as points: alike ones lie together, outliers stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QToolTip, QWidget

from diffir_core.ipr_map import OUTLYING
from napari_diffir.widgets._plot_text import draw_text

if TYPE_CHECKING:
    from diffir_core.ipr_map import IPRMap
    from napari_diffir._ipr_state import PlaneMap

_HEIGHT_PIXELS, _MARGIN_PIXELS, _REACH_PIXELS = 210, 18, 12
_POINT_PIXELS, _RING_PIXELS = 4, 8
_LABELS, _NAME_PIXELS, _LINE_PIXELS = 8, 40, 14
_POINT_COLOUR, _OUTLIER_COLOUR = "#56b4e9", "#e69f00"


class MapPlot(QWidget):
    """Draws a `PlaneMap`; a click on a point tells its index."""

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._map: PlaneMap | None = None
        self._current: int | None = None
        self.setFixedHeight(_HEIGHT_PIXELS)
        self.setMouseTracking(True)
        self.setAccessibleName("Map of the planes")

    def show_map(self, plane_map: PlaneMap | None) -> None:
        """Draw a map, or nothing."""
        self._map, self._current = plane_map, None
        self.update()

    def mark(self, index: int | None) -> None:
        """Put a ring around the plane in sight."""
        self._current = index
        self.update()

    def points(self) -> list[QPointF]:
        """Give where the planes are drawn, both axes to the same scale."""
        if self._map is None:
            return []
        xy = self._map.layout.coordinates
        middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
        sizes = np.maximum(np.ptp(xy, axis=0), 1e-9)
        room = (self.width() - 2 * _MARGIN_PIXELS, self.height() - 4 * _MARGIN_PIXELS)
        scale = min(room / sizes)
        off = (xy - middle) * (scale, -scale)
        centre = self.width() / 2, (self.height() - _MARGIN_PIXELS) / 2
        return [QPointF(centre[0] + x, centre[1] + y) for x, y in off.tolist()]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the points, and name those that stand out."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().text().color()
        faint = QColor(text)
        faint.setAlpha(90)
        painter.setPen(faint)
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRect(frame)
        if self._map is None:
            draw_text(painter, frame, Qt.AlignmentFlag.AlignCenter, "not mapped yet")
        else:
            self._draw_points(painter, self._map, text)
        painter.end()

    def _draw_points(
        self, painter: QPainter, plane_map: PlaneMap, text: QColor
    ) -> None:
        layout, points = plane_map.layout, self.points()
        named = self._named(layout, points)
        for index, point in enumerate(points):
            is_outlier = layout.scores[index] > OUTLYING
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(_OUTLIER_COLOUR if is_outlier else _POINT_COLOUR))
            painter.drawEllipse(point, _POINT_PIXELS, _POINT_PIXELS)
            if index in named:
                self._name(painter, plane_map, index, point, text)
        if self._current is not None and self._current < len(points):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(text, 1.5))
            painter.drawEllipse(points[self._current], _RING_PIXELS, _RING_PIXELS)
        below = QRectF(self.rect()).adjusted(0, 0, 0, -3)
        painter.setPen(text)
        bottom = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter
        draw_text(painter, below, bottom, spread_words(layout.explained))

    def _named(self, layout: IPRMap, points: list[QPointF]) -> list[int]:
        """List whose names are written, none over another, the foremost first."""
        across = layout.coordinates[:, 0]
        here = [] if self._current is None else [self._current]
        ends = [int(across.argmin()), int(across.argmax())]
        named: list[int] = []
        for index in (*here, *layout.outliers[:_LABELS], *ends):
            away = [points[index] - points[other] for other in named]
            if all(
                abs(d.x()) > _NAME_PIXELS or abs(d.y()) > _LINE_PIXELS for d in away
            ):
                named.append(index)
        return named

    def _name(
        self,
        painter: QPainter,
        plane_map: PlaneMap,
        index: int,
        point: QPointF,
        text: QColor,
    ) -> None:
        """Write where a plane is above its point, inside the frame."""
        words = where(plane_map.positions[index])
        width = painter.fontMetrics().horizontalAdvance(words)
        left = min(max(4.0, point.x() - width / 2), self.width() - width - 4)
        painter.setPen(text)
        painter.drawText(QPointF(left, point.y() - _RING_PIXELS - 3), words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell which plane was clicked."""
        index = self._at(event.position())
        if index is not None:
            self.clicked.emit(index)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell what lies under the pointer."""
        index = self._at(event.position())
        self.setCursor(
            Qt.CursorShape.ArrowCursor
            if index is None
            else Qt.CursorShape.PointingHandCursor
        )
        if index is not None and self._map is not None:
            score = self._map.layout.scores[index]
            words = f"{where(self._map.positions[index])}: {score:.1f} deviations off"
            QToolTip.showText(event.globalPosition().toPoint(), words, self)

    def _at(self, place: QPointF) -> int | None:
        """Give the nearest plane, if it is near."""
        distances = [(point - place).manhattanLength() for point in self.points()]
        if not distances or min(distances) > _REACH_PIXELS:
            return None
        return distances.index(min(distances))


def spread_words(explained: tuple[float, float]) -> str:
    """Say how much of the differences between planes each direction shows."""
    across, upwards = (round(100 * share) for share in explained)
    if across == 0:
        return "The planes do not differ."
    if upwards == 0:
        return "The planes differ in one way, from left to right."
    return f"Of the differences, {across} % are across, {upwards} % up and down."


def where(position: tuple[tuple[str, int], ...]) -> str:
    """Say where a plane is, such as 'T=0, Z=3'."""
    return ", ".join(f"{axis}={index}" for axis, index in position) or "the image"
