"""A button whose menu copies what was chosen as text."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal
from qtpy.QtWidgets import QApplication, QMenu, QToolButton

from diffir_core.errors import DiffIRError


class CopyButton(QToolButton):
    """Copies texts to the clipboard; what happened is told by `said`."""

    said = Signal(str)

    def __init__(self, text: str, tip: str) -> None:
        super().__init__()
        self.setText(text)
        self.setToolTip(tip)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        # The arrow would be drawn over the text.
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.menu_of_texts = QMenu(self)
        self.setMenu(self.menu_of_texts)

    def add(self, text: str, do: Callable[[], object]) -> None:
        """Add an entry that does something."""
        self.menu_of_texts.addAction(text).triggered.connect(lambda _=False: do())

    def add_copy(self, text: str, words: Callable[[], str]) -> None:
        """Add an entry that copies words."""
        self.add(text, lambda: self.copy(words))

    def copy(self, words: Callable[[], str]) -> None:
        """Copy words to the clipboard; why there are none is told instead."""
        try:
            text = words()
        except DiffIRError as error:
            self.said.emit(str(error))
            return
        QApplication.clipboard().setText(text)
        self.said.emit("Copied.")
