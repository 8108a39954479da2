"""The mouse wheel scrolls a panel; it turns only the control that one works with."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

_TURNED = (QComboBox, QAbstractSpinBox, QSlider)
"""What Qt turns by the wheel wherever the pointer happens to be."""


class WheelGuard(QObject):
    """Hands the wheel on to what scrolls, past the controls that nobody works with.

    To be kept by its parent.
    """

    def guard(self, content: QWidget) -> None:
        """Guard the controls that are inside by now."""
        for kind in _TURNED:
            for control in content.findChildren(kind):
                # By default, the wheel itself would give it the focus.
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the wheel from a control; what is ignored goes to its parents."""
        if event.type() != QEvent.Type.Wheel or _may_turn(watched):
            return super().eventFilter(watched, event)
        event.ignore()
        return True


def _may_turn(control: QObject) -> bool:
    """Tell whether a control is worked with.

    A list keeps the focus after its choice, and some have entries that ask for a file:
    the wheel turns none, but scrolls them while they are open.
    """
    is_list = isinstance(control, QComboBox)
    return isinstance(control, QWidget) and control.hasFocus() and not is_list
