"""How sure the restoration is: a measurement of the region in view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QSpinBox, QWidget

from diffir_core.errors import DiffIRError
from napari_diffir.widgets._parts import NumberSlider, button, small_label
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    from napari_diffir._ipr_session import IPRSession

_KINDS = {
    "noise": "noise, drawn anew",
    "symmetries": "flips and rotations",
    "seeds": "other seeds",
    "ipr": "errors of the IPR",
}
_NEEDS_STATISTICS = "ipr"
_SHARE_STEPS = 50
_EVENTS = ("unsure_share", "model_ready", "spread", "progress")
_HINT = (
    "The region is restored several times. The deviation tells where the result would "
    "have come out otherwise, not how far it is from the truth."
)


class SpreadBox(QWidget):
    """Has the deviation measured, and masks where the restoration is least sure."""

    def __init__(self, session: IPRSession) -> None:
        super().__init__()
        self._session, self._state = session, session.state
        self.kind_box, self.samples_box = narrow(QComboBox()), QSpinBox()
        for kind, words in _KINDS.items():
            self.kind_box.addItem(words, kind)
        self.kind_box.setToolTip(
            "Noise has about the right size; seeds hardly change anything."
        )
        self.samples_box.setRange(2, 8)
        self.samples_box.setToolTip(
            "The more, the surer the deviation, and the longer."
        )
        self.samples_box.setValue(6)
        self.share = NumberSlider(_SHARE_STEPS, lambda i: i / 100, "{:.0%}")
        self.share.setToolTip("How many of the pixels are masked: the least sure ones.")
        self.measure_button = button(
            "Meas&ure",
            "Restore the region in view several times; adds a layer and a mask.",
            self._measure,
        )
        self.hide_button = button("Remove", "Take both layers away.", self._hide)
        row = QHBoxLayout()
        row.addWidget(self.measure_button)
        row.addWidget(self.hide_button)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(small_label(_HINT))
        form.addRow("What varies", self.kind_box)
        form.addRow("Samples", self.samples_box)
        form.addRow(row)
        form.addRow("Mask least sure", self.share)
        self.share.slider.valueChanged.connect(self._choose_share)
        for name in _EVENTS:
            getattr(self._state.events, name).connect(self.show_all)
        self.show_all()

    def leave(self) -> None:
        """Stop following the state."""
        for name in _EVENTS:
            getattr(self._state.events, name).disconnect(self.show_all)

    def _measure(self) -> None:
        kind, samples = self.kind_box.currentData(), self.samples_box.value()
        try:
            self._session.measure_spread(kind, samples)
        except DiffIRError as error:
            self._state.message = str(error)

    def _hide(self) -> None:
        self._state.spread = None

    def _choose_share(self, position: int) -> None:
        self._state.unsure_share = self.share.value

    def show_all(self) -> None:
        """Show what was chosen."""
        self.share.set_nearest(self._state.unsure_share)
        self.hide_button.setEnabled(self._state.spread is not None)
        self.measure_button.setEnabled(self._state.progress is None)
        model: Any = self.kind_box.model()
        item = model.item(self.kind_box.findData(_NEEDS_STATISTICS))
        item.setEnabled(self._state.has_statistics)
        item.setToolTip(
            "" if item.isEnabled() else "The model was stored without these errors."
        )
