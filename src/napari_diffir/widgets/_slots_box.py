"""Two slots for IPRs, and what lies between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from diffir_core.errors import DiffIRError
from napari_diffir._typed_paths import saved_as
from napari_diffir._wording import told
from napari_diffir.widgets._parts import NumberSlider, button, small_label
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    from napari_diffir._ipr_session import IPRSession

_FILES = "IPRs (*.ipr.json)"
_WEIGHT_STEPS = 50


class SlotsBox(QWidget):
    """Slots A and B with their files, the blend, and whether it rules."""

    keep_a_button: QPushButton
    keep_b_button: QPushButton

    def __init__(self, session: IPRSession) -> None:
        super().__init__()
        self._session, self._state = session, session.state
        self._is_showing = False
        self._build()
        self._state.events.choice.connect(self.show_all)
        self._state.events.ipr.connect(self.show_all)
        self.show_all()

    def _build(self) -> None:
        self.use_box = narrow(QComboBox())
        self.use_box.setToolTip(
            "Which IPR rules; A and B can be used once one is there."
        )
        self.use_box.addItem("the image's own IPR", "own")
        self.use_box.addItem("A and B, blended", "slots")
        self.labels = {slot: small_label() for slot in "ab"}
        self.weight = NumberSlider(
            _WEIGHT_STEPS, lambda i: i / _WEIGHT_STEPS, "{:.0%} B"
        )
        self.weight.setToolTip("0 % is the IPR in A, 100 % that in B.")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Restore under", self.use_box)
        for slot in "ab":
            form.addRow(QLabel(slot.upper()), self.labels[slot])
            form.addRow("", self._slot_buttons(slot))
        form.addRow("Blend", self.weight)
        self.save_button = button(
            "&Export the IPR…",
            "Save the IPR that the plane in view is restored under (*.ipr.json).",
            self._choose_target,
        )
        form.addRow(self.save_button)
        self.use_box.activated.connect(self._choose_use)
        self.weight.slider.valueChanged.connect(self._choose_weight)
        self.weight.slider.sliderReleased.connect(self._session.choosing.seal)

    def _slot_buttons(self, slot: str) -> QWidget:
        keep = button(
            f"&Keep as {slot.upper()}" if slot == "a" else "Keep as &B",
            f"Put the IPR of the plane in view into slot {slot.upper()}.",
            lambda: self._try(lambda: self._session.choosing.keep(slot)),
        )
        load = button(
            "Import…",
            f"Put an IPR from a file into slot {slot.upper()}.",
            lambda: self._choose_file(slot),
        )
        setattr(self, f"keep_{slot}_button", keep)
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(keep)
        layout.addWidget(load)
        return row

    def leave(self) -> None:
        """Stop following the state."""
        self._state.events.choice.disconnect(self.show_all)
        self._state.events.ipr.disconnect(self.show_all)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (DiffIRError, OSError) as error:
            self._state.message = str(told(error))

    def _choose_use(self, index: int) -> None:
        self._session.choosing.choose(use=self.use_box.itemData(index))

    def _choose_weight(self, position: int) -> None:
        if not self._is_showing:
            self._session.choosing.choose(
                "weight", use="slots", weight=self.weight.value
            )

    def _choose_file(self, slot: str) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Import an IPR", "", _FILES)
        if name:
            self._try(lambda: self._session.choosing.load(Path(name), slot))

    def _choose_target(self) -> None:
        suggested = "chosen.ipr.json"
        name, _ = QFileDialog.getSaveFileName(self, "Export", suggested, _FILES)
        if name:
            save = self._session.choosing.save
            self._try(lambda: save(saved_as(name, ".ipr.json")))

    def show_all(self) -> None:
        """Show what was chosen; this is no choice itself."""
        self._is_showing = True
        choice = self._state.choice
        self.use_box.setCurrentIndex(self.use_box.findData(choice.use))
        for slot, ipr in (("a", choice.a), ("b", choice.b)):
            words = "empty" if ipr is None else ipr.source or "an IPR"
            self.labels[slot].setText(words)
        self.weight.set_nearest(choice.weight)
        self.weight.setEnabled(choice.a is not None and choice.b is not None)
        self.use_box.setEnabled(choice.a is not None or choice.b is not None)
        self.save_button.setEnabled(self._state.ipr is not None)
        self._is_showing = False
