"""Where a restoration to disk is: a bar, the pace, a sentence, a table of stacks."""

from __future__ import annotations

from napari.utils.notifications import show_error
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_diffir._stack_state import StackState
from napari_diffir._wording import duration
from napari_diffir.widgets._parts import small_label

_BAR_STEPS = 1000
_TABLE_PIXELS = 140


class StackStatus(QWidget):
    """Shows a `StackState`, and follows it."""

    def __init__(self, state: StackState) -> None:
        super().__init__()
        self._state = state
        self.bar, self.pace, self.message = QProgressBar(), small_label(), small_label()
        self.bar.setRange(0, _BAR_STEPS)
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Stack", "State"])
        self.table.horizontalHeader().setSectionResizeMode(
            QHeaderView.ResizeMode.Stretch
        )
        self.table.verticalHeader().setVisible(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setFixedHeight(_TABLE_PIXELS)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.bar, self.pace, self.message, self.table):
            layout.addWidget(part)
        events = state.events
        events.message.connect(self._show_message)
        events.fraction.connect(self._show_progress)
        events.phase.connect(self._show_phase)
        events.rows.connect(self._show_rows)
        self.show_all()

    def leave(self) -> None:
        """Stop following the state."""
        events = self._state.events
        events.message.disconnect(self._show_message)
        events.fraction.disconnect(self._show_progress)
        events.phase.disconnect(self._show_phase)
        events.rows.disconnect(self._show_rows)

    def show_all(self) -> None:
        """Show the state as it is."""
        self._show_message(self._state.message)
        self._show_progress()
        self._show_rows()

    def _show_message(self, message: str) -> None:
        self.message.setText(message)

    def _show_phase(self) -> None:
        self._show_progress()
        if self._state.phase == "failed":
            show_error(f"DiffIR: {self._state.message}")

    def _show_progress(self) -> None:
        state = self._state
        self.bar.setValue(int(state.fraction * _BAR_STEPS))
        parts = []
        if state.planes:
            parts.append(f"Plane {state.planes_done} of {state.planes}")
        if state.megabytes_per_second and state.is_active:
            parts.append(f"{state.megabytes_per_second:.2f} MB/s")
        if state.seconds_left is not None and state.phase == "running":
            parts.append(f"about {duration(state.seconds_left)} left")
        self.pace.setText(", ".join(parts))

    def _show_rows(self) -> None:
        rows = self._state.rows
        self.table.setVisible(len(rows) > 1)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate((row.name, row.status)):
                self._show_cell(number, column, text)

    def _show_cell(self, row: int, column: int, text: str) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
            item.setToolTip(text)
            if column == 1 and text.endswith("%"):
                self.table.scrollToItem(item)
