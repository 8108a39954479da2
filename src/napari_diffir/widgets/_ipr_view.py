"""The IPR of the plane in view, in a line of words and a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from diffir_core.ipr import UNLIKE
from napari_diffir.widgets._parts import small_label
from napari_diffir.widgets._vector_plot import VectorPlot

if TYPE_CHECKING:
    from napari_diffir._ipr_state import IPRState

_NOTHING = "IPR: 256 numbers that say how to restore the image"


class IPRView(QWidget):
    """Shows the IPR of an `IPRState`, and follows it."""

    def __init__(self, state: IPRState) -> None:
        super().__init__()
        self._state = state
        self.caption, self.plot = small_label(), VectorPlot()
        self.plot.setToolTip("Blue: the IPR. Orange: the reverse steps before it.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.caption)
        layout.addWidget(self.plot)
        state.events.ipr.connect(self.show_all)
        state.events.distance.connect(self.show_all)
        self.show_all()

    def leave(self) -> None:
        """Stop following the state."""
        self._state.events.ipr.disconnect(self.show_all)
        self._state.events.distance.disconnect(self.show_all)

    def show_all(self) -> None:
        """Draw the IPR, and say where it comes from."""
        ipr, distance = self._state.ipr, self._state.distance
        self.plot.show_ipr(ipr)
        if ipr is None:
            self.caption.setText(_NOTHING)
            return
        words = f"IPR of {ipr.source or 'an image'}"
        if ipr.chain is not None:
            words += f", {len(ipr.chain)} steps from seed {ipr.seed}"
        if distance is not None:
            unlike = " (unlike the training images)" if distance > UNLIKE else ""
            words += f"; distance {distance:.1f}{unlike}"
        self.caption.setText(words)
