"""Tabs that leave the room they do not need to what is below them."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

_ASIS, _IGNORED = QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored


class PageTabs(QTabWidget):
    """As high as the page in front, not as the highest of all."""

    def __init__(self) -> None:
        super().__init__()
        self._pages: list[QWidget] = []
        self.setSizePolicy(_ASIS, QSizePolicy.Policy.Maximum)
        self.currentChanged.connect(self._fit)

    def add_page(self, part: QWidget, title: str) -> None:
        """Add a part as a page of its own."""
        page = QWidget()
        QVBoxLayout(page).addWidget(part)
        self._pages.append(page)
        self.addTab(page, title)
        self._fit()

    def _fit(self, _index: int = 0) -> None:
        """Let the pages behind count for the width only."""
        for number, page in enumerate(self._pages):
            is_front = number == self.currentIndex()
            page.setSizePolicy(_ASIS, _ASIS if is_front else _IGNORED)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Ask for what the page in front asks for; Qt would ask for all of them."""
        hint, least = super().sizeHint(), self.minimumSizeHint()
        page = self.currentWidget()
        if page is None:
            return hint
        more = page.sizeHint().height() - page.minimumSizeHint().height()
        return QSize(hint.width(), least.height() + more)

    def heightForWidth(self, width: int) -> int:
        """Reserve what the page in front needs at a width; Qt would take the most."""
        page = self.currentWidget()
        if page is None:
            return super().heightForWidth(width)
        around = self.minimumSizeHint().height() - page.minimumSizeHint().height()
        inner = page.heightForWidth(width - (self.width() - page.width()))
        return around + (inner if inner >= 0 else page.sizeHint().height())
