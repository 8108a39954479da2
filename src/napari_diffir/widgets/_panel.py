"""A panel that scrolls, and that leaves once, however it is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_diffir.widgets._wheel_guard import WheelGuard

_MOST_PIXELS = 560
"""Of the width that a panel insists on; a very long name in a sentence may need more,
and is then scrolled to."""


class _Area(QScrollArea):
    """Shows its content, which may be taller than the window but is never cut off."""

    def __init__(self, content: QWidget, least_pixels: int) -> None:
        super().__init__()
        # As a hint: a fixed minimum of the panel would outdo what the content needs.
        self._least_pixels, self._content = least_pixels, content
        WheelGuard(self).guard(content)
        self.setWidgetResizable(True)
        self.setWidget(content)
        # The bar takes its place beside the buttons, not over them.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of the content; the height is left to the bar."""
        bar, frames = self.verticalScrollBar().sizeHint(), 2 * self.frameWidth()
        needed = self._content.minimumSizeHint().width() + bar.width() + frames
        width = max(min(needed, _MOST_PIXELS), self._least_pixels)
        return QSize(width, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """Ask for no more than is needed: the picture beside it has the rest."""
        whole = super().sizeHint()
        return QSize(self.minimumSizeHint().width(), whole.height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask anew when the content has become wider, as by a hint that appears."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Panel(QWidget):
    """A widget of the plugin that follows what outlives it."""

    def __init__(self, minimum_width_pixels: int) -> None:
        super().__init__()
        self._has_left = False
        self._least_pixels = minimum_width_pixels

    def _scroll(self, content: QWidget) -> QScrollArea:
        """Show the content, which may be taller than the window."""
        area = _Area(content, self._least_pixels)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        return area

    def _leave_when_destroyed(self) -> None:
        """Leave, too, when a closing window deletes its panels without a word."""
        self.destroyed.connect(lambda _=None: self._leave_once(is_destroyed=True))

    def _leave(self, *, is_destroyed: bool) -> None:
        """Stop following; no layer may be touched any more if it is destroyed."""
        raise NotImplementedError

    def _leave_once(self, *, is_destroyed: bool = False) -> None:
        if not self._has_left:
            self._has_left = True
            self._leave(is_destroyed=is_destroyed)

    def _while_here(self, slot: Callable[..., object]) -> Callable[..., None]:
        """Give a slot that does nothing once the panel has left.

        A worker may report after that: a closed window has deleted its labels.
        """

        def guarded(*told: Any) -> None:
            if not self._has_left:
                slot(*told)

        return guarded

    def changeEvent(self, event: QEvent) -> None:
        """Leave when the panel's cross takes the widget out of its dock."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave_once()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave; work ends, and is kept where it can be, if nobody else looks on."""
        self._leave_once()
        super().closeEvent(event)
