"""The IPR controls: see how an image will be restored, and steer it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QVBoxLayout, QWidget

from napari_diffir._following import Following
from napari_diffir._ipr_session import current_session
from napari_diffir._ipr_sight import layer_of, sight_of, world_point
from napari_diffir._layers import full_resolution
from napari_diffir._pyside import spare_references
from napari_diffir.widgets._ipr_actions import IPRActions
from napari_diffir.widgets._ipr_drawing import IPRDrawing
from napari_diffir.widgets._ipr_tabs import PageTabs
from napari_diffir.widgets._ipr_view import IPRView
from napari_diffir.widgets._layer_source import LayerSource
from napari_diffir.widgets._look_box import LookBox
from napari_diffir.widgets._panel import Panel
from napari_diffir.widgets._parts import small_label
from napari_diffir.widgets._planes_box import PlanesBox
from napari_diffir.widgets._sight_watcher import SightWatcher
from napari_diffir.widgets._slots_box import SlotsBox
from napari_diffir.widgets._spread_box import SpreadBox
from napari_diffir.widgets._steer_box import SteerBox
from napari_diffir.widgets._swipe_handle import SwipeHandle

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_diffir._ipr_state import ImageChoice

_MINIMUM_WIDTH_PIXELS = 380


class IPRWidget(Panel):
    """Look at IPRs and choose among them; several widgets show the same choice."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(_MINIMUM_WIDTH_PIXELS)
        spare_references()
        self._viewer, self._session = napari_viewer, current_session()
        self._following = Following()
        self._told: ImageChoice | None = None
        self.state = self._session.state
        self._build_parts()
        self._lay_out()
        self._follow_model()  # Begin with what other widgets show, or have shown.
        self._follow_image()
        self._connect()
        self._session.join()
        self._look_at_source()

    def _build_parts(self) -> None:
        viewer, session, state = self._viewer, self._session, self.state
        self.source, self.view = LayerSource(viewer), IPRView(state)
        self.steer, self.slots = SteerBox(session), SlotsBox(session)
        self.planes, self.spread = PlanesBox(session), SpreadBox(session)
        self.look, self.status = LookBox(session), small_label()
        self.status.hide()
        self.actions_box = IPRActions(viewer, session, self.source)
        self._drawing = IPRDrawing(viewer, session, self._layer)
        self._watcher = SightWatcher(viewer)
        self._handle = SwipeHandle(viewer, state)

    def _layer(self) -> Image | None:
        return self.source.layer

    def _lay_out(self) -> None:
        self.tabs = PageTabs()
        for tab, title in (
            (self.steer, "Steer"),
            (self.slots, "A and B"),
            (self.planes, "Planes"),
            (self.spread, "How sure"),
        ):
            self.tabs.add_page(tab, title)
        content = QWidget()
        layout = QVBoxLayout(content)
        for part in (self.source, self.view, self.tabs, self.look):
            layout.addWidget(part)
        layout.addWidget(self.status)  # Above the buttons: a low window shows it.
        layout.addWidget(self.actions_box)
        layout.addStretch(1)
        area = self._scroll(content)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _reactions(self) -> dict[str, Callable[..., object]]:
        return {
            "message": self._show_message,
            "image": self._follow_image,
            "model_name": self._follow_model,
        }

    def _connect(self) -> None:
        for name, react in self._reactions().items():
            getattr(self.state.events, name).connect(react)
        self.source.changed.connect(self._look_at_source)
        self.source.layer_box.altered.connect(self._look_anew)
        self._watcher.changed.connect(self._see)
        self.planes.wanted.connect(self.go_to)
        for one in self._deeds():
            one.pressed.connect(self._see)
        self.steer.region_wanted.connect(self._see)
        self._leave_when_destroyed()

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        self.source.add_model(path, name)

    def _deeds(self) -> tuple[QAbstractButton, ...]:
        """List what is done to the image in view."""
        slots, actions = self.slots, self.actions_box
        return (
            *(slots.keep_a_button, slots.keep_b_button, self.look.live_check),
            *(self.planes.map_button, self.spread.measure_button),
            *(actions.whole_button, actions.restore_button),
        )

    def _look_at_source(self) -> None:
        image, chosen = self.source.image, self.state.image
        if self._following.is_on:
            return
        if image is None and chosen is not None and not chosen.is_same(self._told):
            return  # It is of another viewer, which goes on looking at it.
        self._told = image
        self._session.look_at(image, self.source.model)
        self._watcher.look_soon()

    def _look_anew(self, what: str) -> None:
        """Forget what was seen of pixels that were changed in place."""
        image = self.source.image
        if what == "data" and image is not None:
            self._session.look_anew(image)
            self._watcher.look_soon()

    def _follow_image(self) -> None:
        """Choose what another widget has chosen, if it is a layer of this viewer."""
        image = self.state.image
        layer = layer_of(self._viewer, image) if image is not None else None
        if image is not None and layer is not None:
            with self._following:
                self.source.choose_layer(layer.name)
                self.source.axes_edit.setText(image.axes)

    def _follow_model(self) -> None:
        with self._following:
            self.source.choose_model(self.state.model_name)

    def _see(self) -> None:
        """Have the session see what this viewer shows; another may have had it."""
        layer, image = self.source.layer, self.source.image
        if layer is not None and image is not None:
            self._told = image
            self._session.look_at(image, self.source.model)
            self._session.see(sight_of(self._viewer, layer, image.axes))

    def go_to(self, position: tuple[tuple[str, int], ...]) -> None:
        """Show a plane of the layer."""
        layer, image = self.source.layer, self.state.image
        if layer is None or image is None:
            return
        if full_resolution(layer) is not image.data:
            self.state.message = f"The map is of '{image.name}' in another viewer."
            return
        point = world_point(self._viewer, layer, image.axes, position)
        for axis, value in point.items():
            self._viewer.dims.set_point(axis, value)

    def _show_message(self) -> None:
        self.status.setText(self.state.message)
        self.status.setVisible(bool(self.state.message))

    def _leave(self, *, is_destroyed: bool) -> None:
        if is_destroyed:  # The viewer is closing: no layer is to be touched.
            self._drawing.leave()
        for name, react in self._reactions().items():
            getattr(self.state.events, name).disconnect(react)
        parts: tuple[Any, ...] = (self.steer, self.slots, self.planes, self.spread)
        parts += (self.look, self.view, self.actions_box, self.source, self._watcher)
        for part in parts:
            part.leave()
        self._handle.leave()
        self._session.leave()
        if not is_destroyed:
            self._drawing.leave()
