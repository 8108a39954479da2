"""The live preview: on or off, how it is shown, and how near it is to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QGroupBox

from napari_diffir.widgets._parts import NumberSlider, small_label
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    from napari_diffir._ipr_session import IPRSession

_VIEWS = {
    "restored": "restored",
    "swipe": "swipe: original | restored",
    "beside": "side by side",
    "difference": "restored minus original",
}
_EXACTNESS = {
    "coarse": "Approximate: a coarse look; the rest is on its way.",
    "near": "Nearly exact: with the statistics of the region alone.",
    "exact": "Exact: these pixels are what Restore gives.",
}
_EVENTS = ("is_live", "view", "divider", "preview", "image", "sight", "failure")
_DIVIDER_STEPS = 100


class LookBox(QGroupBox):
    """Turns the live preview on, and chooses its view."""

    def __init__(self, session: IPRSession) -> None:
        super().__init__("Preview")
        self._session, self._state = session, session.state
        self.live_check = QCheckBox("&Live: restore what is in view")
        self.live_check.setToolTip("Pan, zoom, change planes: the preview follows.")
        self.view_box, self.status = narrow(QComboBox()), small_label()
        for view, words in _VIEWS.items():
            self.view_box.addItem(words, view)
        self.divider = NumberSlider(
            _DIVIDER_STEPS, lambda i: i / _DIVIDER_STEPS, "{:.0%}"
        )
        self.view_box.setToolTip(
            "Side by side shows the middle of the view twice: as it is, and restored."
        )
        self.divider.setToolTip(
            "Where the swipe view changes sides; it can be dragged in the image, too."
        )
        form = QFormLayout(self)
        form.addRow(self.live_check)
        form.addRow("View", self.view_box)
        form.addRow("Divider", self.divider)
        form.addRow(self.status)
        self._connect()
        self.show_all()

    def _connect(self) -> None:
        self.live_check.toggled.connect(self._session.set_live)
        self.view_box.activated.connect(self._choose_view)
        self.divider.slider.valueChanged.connect(self._choose_divider)
        for name in _EVENTS:
            getattr(self._state.events, name).connect(self.show_all)

    def leave(self) -> None:
        """Stop following the state."""
        for name in _EVENTS:
            getattr(self._state.events, name).disconnect(self.show_all)

    def _choose_view(self, index: int) -> None:
        self._state.view = self.view_box.itemData(index)

    def _choose_divider(self, position: int) -> None:
        self._state.divider = self.divider.value

    def show_all(self) -> None:
        """Show what was chosen, and what is seen."""
        state = self._state
        self.live_check.blockSignals(True)
        self.live_check.setChecked(state.is_live)
        self.live_check.blockSignals(False)
        self.view_box.setCurrentIndex(self.view_box.findData(state.view))
        self.divider.set_nearest(state.divider)
        self.divider.setEnabled(state.view == "swipe")
        self.status.setText(self._words())

    def _words(self) -> str:
        state = self._state
        if not state.is_live:
            return "Off."
        if state.image is None:
            return "Open an image first."
        if state.sight is None:
            return "Show Y and X of the layer in 2-D to see a preview."
        if state.failure:
            return "There is none: see below."
        if state.preview is None:
            return "On its way…"
        return _EXACTNESS[state.preview.exactness]
