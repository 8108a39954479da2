"""A panel that scrolls, and that leaves once, however it is closed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget


class Panel(QWidget):
    """A widget of the plugin that follows what outlives it."""

    def __init__(self, minimum_width_pixels: int) -> None:
        super().__init__()
        self._has_left = False
        self.setMinimumWidth(minimum_width_pixels)

    def _scroll(self, content: QWidget) -> QScrollArea:
        """Show the content, which may be taller than the window."""
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        # The bar takes its place beside the buttons, not over them.
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
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

    def changeEvent(self, event: QEvent) -> None:
        """Leave when the panel's cross takes the widget out of its dock."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave_once()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave; work ends, and is kept where it can be, if nobody else looks on."""
        self._leave_once()
        super().closeEvent(event)
