"""The IPR controls: see how an image will be restored, and steer it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QCloseEvent, QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QProgressBar,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import DiffIRError
from napari_diffir._ipr_layers import RegionPainter
from napari_diffir._ipr_session import current_session
from napari_diffir._ipr_sight import sight_of
from napari_diffir._ipr_words import OPTIONS_FILE, as_command, as_python
from napari_diffir._pyside import spare_references
from napari_diffir._scripting import restored_layer
from napari_diffir.widgets._ipr_source import IPRSource
from napari_diffir.widgets._look_box import LookBox
from napari_diffir.widgets._parts import button, small_label
from napari_diffir.widgets._planes_box import PlanesBox
from napari_diffir.widgets._sight_watcher import SightWatcher
from napari_diffir.widgets._slots_box import SlotsBox
from napari_diffir.widgets._spread_box import SpreadBox
from napari_diffir.widgets._steer_box import SteerBox
from napari_diffir.widgets._vector_plot import VectorPlot

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_diffir._scripting import RestoreResult

_MINIMUM_WIDTH_PIXELS = 360
_BAR_STEPS = 1000
_UNLIKE = 3.0


class IPRWidget(QWidget):
    """Look at IPRs and choose among them; several widgets show the same choice."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        spare_references()
        self._viewer, self._session = napari_viewer, current_session()
        self.state = self._session.state
        self._painter = RegionPainter(napari_viewer)
        self._watcher = SightWatcher(napari_viewer, self)
        self._has_left = False
        self._build()
        self._take_over()
        self._connect()
        self._session.join()
        self._look_at_source()
        self._show_ipr()
        self._show_progress()

    def _build(self) -> None:
        self.setMinimumWidth(_MINIMUM_WIDTH_PIXELS)
        session = self._session
        self.source, self.plot = IPRSource(self._viewer), VectorPlot()
        self.caption, self.status = small_label(), small_label()
        self.steer, self.slots = SteerBox(session), SlotsBox(session)
        self.planes, self.spread = PlanesBox(session), SpreadBox(session)
        self.look, self.bar = LookBox(session), QProgressBar()
        self.bar.setRange(0, _BAR_STEPS)
        self.tabs = QTabWidget()
        for tab, title in (
            (self.steer, "Steer"),
            (self.slots, "A and B"),
            (self.planes, "Planes"),
            (self.spread, "How sure"),
        ):
            self.tabs.addTab(_padded(tab), title)
        content = QWidget()
        layout = QVBoxLayout(content)
        for part in (self.source, self.caption, self.plot, self.tabs, self.look):
            layout.addWidget(part)
        layout.addLayout(self._build_buttons())
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def _build_buttons(self) -> QGridLayout:
        self.whole_button = button(
            "Use for &whole stack",
            "Restore every plane under the IPR of the plane in view.",
            lambda: self._try(self._session.use_for_whole_stack),
        )
        self.restore_button = button(
            "&Restore layer",
            "Restore all planes as chosen; the result is a new layer.",
            lambda: self._try(self.restore),
        )
        self.save_button = button(
            "&Save options…",
            "As a YAML file for 'diffir restore --options' and for scripts.",
            self._choose_target,
        )
        self.cancel_button = button("&Cancel", "End the long work.", self.cancel)
        self.python_button = button(
            "Copy as &Python", "A script that does the same.", self.copy_python
        )
        self.command_button = button(
            "C&opy as command", "A command that does the same.", self.copy_command
        )
        grid = QGridLayout()
        for number, one in enumerate(
            (
                self.whole_button,
                self.restore_button,
                self.save_button,
                self.cancel_button,
                self.python_button,
                self.command_button,
            )
        ):
            grid.addWidget(one, number // 2, number % 2)
        return grid

    def _take_over(self) -> None:
        """Begin with what other widgets show, or have shown."""
        self.source.choose_model(self.state.model_name)
        if self.state.image is not None:
            self.source.choose_layer(self.state.image.name)

    def _reactions(self) -> dict[str, Callable[..., object]]:
        return {
            "ipr": self._show_ipr,
            "distance": self._show_ipr,
            "preview": self._draw_preview,
            "view": self._draw_preview,
            "divider": self._draw_preview,
            "spread": self._draw_spread,
            "unsure_share": self._draw_mask,
            "progress": self._show_progress,
            "message": self._show_message,
            "image": self._follow_image,
            "model_name": self._follow_model,
        }

    def _connect(self) -> None:
        for name, react in self._reactions().items():
            getattr(self.state.events, name).connect(react)
        self.source.changed.connect(self._look_at_source)
        self._watcher.changed.connect(self._see)
        self.planes.wanted.connect(self.go_to)
        # A closing window deletes its panels without a word to them.
        self.destroyed.connect(lambda _=None: self._leave())

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        self.source.add_model(path, name)

    def _look_at_source(self) -> None:
        self._session.look_at(self.source.image, self.source.model)
        self._watcher.look_soon()

    def _follow_image(self) -> None:
        """Choose what another widget has chosen."""
        if self.state.image is not None:
            self.source.choose_layer(self.state.image.name)

    def _follow_model(self) -> None:
        self.source.choose_model(self.state.model_name)

    def _see(self) -> None:
        layer, image = self.source.layer, self.state.image
        if layer is not None and image is not None:
            self._session.see(sight_of(self._viewer, layer, image.axes))

    def go_to(self, position: tuple[tuple[str, int], ...]) -> None:
        """Show a plane of the layer."""
        layer, image = self.source.layer, self.state.image
        if layer is None or image is None:
            return
        here = list(layer.world_to_data(self._viewer.dims.point))
        for axis, index in position:
            here[image.axes.index(axis)] = index
        world = layer.data_to_world(here)
        offset = self._viewer.dims.ndim - layer.ndim
        for axis, _ in position:
            number = image.axes.index(axis)
            self._viewer.dims.set_point(offset + number, world[number])

    def restore(self) -> None:
        """Restore the layer as chosen, in the background."""
        layer = self.source.layer

        def add(result: RestoreResult) -> None:
            added = restored_layer(layer, result).add_to(self._viewer)
            self.state.message = f"'{added.name}' is ready."

        self._session.restore(add)

    def cancel(self) -> None:
        """End the map, the measurement or the restoration under way."""
        self._session.cancel()

    def copy_python(self) -> None:
        """Put a script into the clipboard."""
        QGuiApplication.clipboard().setText(as_python(self.state))
        self.state.message = "Copied. " + self._file_hint()

    def copy_command(self) -> None:
        """Put a command into the clipboard."""
        QGuiApplication.clipboard().setText(as_command(self.state))
        self.state.message = "Copied. " + self._file_hint()

    def _file_hint(self) -> str:
        if self.state.choice.use == "slots":
            return "It reads the files of Export and Save options."
        return "Put in the path of your file where it stands for one."

    def _choose_target(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save options", OPTIONS_FILE, "YAML (*.yaml)"
        )
        if name:
            self._try(lambda: self._session.save_options(Path(name)))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (DiffIRError, OSError) as error:
            self.state.message = str(error)

    def _show_ipr(self) -> None:
        ipr, distance = self.state.ipr, self.state.distance
        self.plot.show_ipr(ipr)
        self.whole_button.setEnabled(ipr is not None)
        if ipr is None:
            self.caption.setText("IPR: 256 numbers that say how to restore the image")
            return
        words = f"IPR of {ipr.source or 'an image'}"
        if ipr.chain is not None:
            words += f", {len(ipr.chain)} steps from seed {ipr.seed}"
        if distance is not None:
            unlike = " (unlike the training images)" if distance > _UNLIKE else ""
            words += f"; distance {distance:.1f}{unlike}"
        self.caption.setText(words)

    def _draw_preview(self) -> None:
        state, layer = self.state, self.source.layer
        if state.preview is None or layer is None:
            self._painter.hide_preview()
        else:
            self._painter.show_preview(layer, state.preview, state.view, state.divider)

    def _draw_spread(self) -> None:
        state, layer = self.state, self.source.layer
        if state.spread is None or layer is None:
            self._painter.hide_spread()
        else:
            self._painter.show_spread(layer, state.spread, state.unsure_share)

    def _draw_mask(self) -> None:
        state, layer = self.state, self.source.layer
        if state.spread is not None and layer is not None:
            self._painter.show_mask(layer, state.spread, state.unsure_share)

    def _show_progress(self) -> None:
        done = self.state.progress
        self.bar.setValue(round(_BAR_STEPS * (done or 0.0)))
        self.cancel_button.setEnabled(done is not None)
        self.restore_button.setEnabled(done is None)

    def _show_message(self) -> None:
        self.status.setText(self.state.message)

    def changeEvent(self, event: QEvent) -> None:
        """Leave when the panel's cross takes the widget out of its dock."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave; the work ends if nobody else looks on."""
        self._leave()
        super().closeEvent(event)

    def _leave(self) -> None:
        if self._has_left:
            return
        self._has_left = True
        for name, react in self._reactions().items():
            getattr(self.state.events, name).disconnect(react)
        parts: tuple[Any, ...] = (self.steer, self.slots, self.planes, self.spread)
        for part in (*parts, self.look, self.source, self._watcher):
            part.leave()
        self._session.leave()


def _padded(part: QWidget) -> QWidget:
    """Put a part at the top of a tab."""
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.addWidget(part)
    layout.addStretch()
    return holder
