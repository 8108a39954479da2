"""The map of the stack's planes; a click goes to the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from diffir_core.errors import DiffIRError
from napari_diffir.widgets._map_plot import MapPlot, where
from napari_diffir.widgets._parts import button, small_label

if TYPE_CHECKING:
    from napari_diffir._ipr_session import IPRSession

_HINT = (
    "Each point is a plane of the stack. The farther apart two are, the more "
    "differently they are restored; one far from all others may be out of focus or "
    "bleached. Click a point to go to its plane."
)
_MOST_NAMED = 6


class PlanesBox(QWidget):
    """Has the planes mapped, shows the map and names the outliers."""

    wanted = Signal(object)
    """The position of the plane to go to, such as (("Z", 3),)."""

    def __init__(self, session: IPRSession) -> None:
        super().__init__()
        self._session, self._state = session, session.state
        self.plot, self.words = MapPlot(), small_label(_HINT)
        self.map_button = button(
            "&Map the planes", "Estimate the IPR of every plane.", self._map
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._state.events.progress.connect(self._allow)
        for part in (self.plot, self.words, self.map_button):
            layout.addWidget(part)
        layout.addStretch()
        self.plot.clicked.connect(self._go)
        self._state.events.plane_map.connect(self.show_all)
        self._state.events.sight.connect(self._mark)
        self.show_all()

    def leave(self) -> None:
        """Stop following the state."""
        self._state.events.plane_map.disconnect(self.show_all)
        self._state.events.sight.disconnect(self._mark)
        self._state.events.progress.disconnect(self._allow)

    def _allow(self, progress: float | None) -> None:
        """Allow one long work at a time: a second would end the first."""
        self.map_button.setEnabled(progress is None)

    def _map(self) -> None:
        try:
            self._session.map_planes()
        except DiffIRError as error:
            self._state.message = str(error)

    def _go(self, index: int) -> None:
        if self._state.plane_map is not None:
            self.wanted.emit(self._state.plane_map.positions[index])

    def show_all(self) -> None:
        """Draw the map, and say in words who stands out."""
        found = self._state.plane_map
        self.plot.show_map(found)
        self._mark()
        if found is None:
            self.words.setText(_HINT)
            return
        named = [where(found.positions[i]) for i in found.layout.outliers]
        more = len(named) - _MOST_NAMED
        listed = "; ".join(named[:_MOST_NAMED]) + (f"; {more} more" if more > 0 else "")
        found_out = (
            f"Unlike the others: {listed}."
            if named
            else f"None of {len(found.positions)} planes stands out."
        )
        self.words.setText(f"{found_out} Click a point to go to its plane.")

    def _mark(self) -> None:
        found, sight, image = (
            self._state.plane_map,
            self._state.sight,
            self._state.image,
        )
        if found is None or sight is None or image is None:
            self.plot.mark(None)
            return
        here = dict(zip(image.axes, sight.position, strict=True))
        marks = [
            i
            for i, position in enumerate(found.positions)
            if all(here[axis] == index for axis, index in position)
        ]
        self.plot.mark(marks[0] if marks else None)
