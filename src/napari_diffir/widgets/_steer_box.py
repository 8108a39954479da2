"""How the image's own IPR is estimated, and how strongly it is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QSpinBox, QWidget

from diffir_core.ipr_steering import strength_warning
from napari_diffir.widgets._parts import NumberSlider, button, small_label
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    from napari_diffir._ipr_session import IPRSession

_STRENGTH_STEPS = 40
_STRENGTH_TIP = (
    "How strongly the image's own IPR is followed: 0 restores as the average image of "
    "the training wants it, 1 as this one does, more exaggerates."
)
_NO_STRENGTH_TIP = (
    "This model was stored without statistics of its IPRs, so that only strength 1 is "
    "defined. Models trained with this version have them."
)


class SteerBox(QWidget):
    """Scope, seed, steps and strength, with undo, redo and reset."""

    region_wanted = Signal()
    """The region in view is about to be taken."""

    def __init__(self, session: IPRSession) -> None:
        super().__init__()
        self._session, self._state = session, session.state
        self._is_showing = False
        self._build()
        self._connect()
        self.show_all()

    def _build(self) -> None:
        self.scope_box = narrow(QComboBox())
        self.scope_box.addItem("each plane", "plane")
        self.scope_box.addItem("each time point", "time")
        self.scope_box.addItem("the whole stack", "stack")
        self.scope_box.addItem("the region now in view", "region")
        self.scope_box.setToolTip(
            "What the IPR is estimated from. Choose the region again to move it."
        )
        self.seed_box, self.steps_box = QSpinBox(), QSpinBox()
        self.seed_box.setRange(0, 2**31 - 1)
        self.seed_box.setToolTip("Of the start noise of the diffusion.")
        self.steps_box.setMinimum(1)
        self.steps_box.setToolTip("Reverse steps; a shorter chain is a rougher guess.")
        self.strength = NumberSlider(
            _STRENGTH_STEPS, lambda i: i / (_STRENGTH_STEPS // 2), "{:.2f}"
        )
        self.warning = small_label()
        self.undo_button = button("&Undo", "Take back the last change.", self._undo)
        self.redo_button = button("Re&do", "Make it again.", self._redo)
        self.reset_button = button(
            "Rese&t", "The image's own IPR, as Restore takes it.", self._reset
        )
        row = QHBoxLayout()
        for one in (self.undo_button, self.redo_button, self.reset_button):
            row.addWidget(one)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Taken from", self.scope_box)
        form.addRow("Seed", self.seed_box)
        form.addRow("Steps", self.steps_box)
        form.addRow("Strength", self.strength)
        form.addRow(self.warning)
        form.addRow(row)

    def _connect(self) -> None:
        self.scope_box.activated.connect(self._choose_scope)
        self.seed_box.valueChanged.connect(lambda seed: self._choose("seed", seed))
        self.steps_box.valueChanged.connect(self._choose_steps)
        self.strength.slider.valueChanged.connect(
            lambda _: self._choose("strength", self.strength.value)
        )
        self.strength.slider.sliderReleased.connect(self._session.choosing.seal)
        for name in ("choice", "model_ready", "can_undo", "can_redo"):
            getattr(self._state.events, name).connect(self.show_all)

    def leave(self) -> None:
        """Stop following the state."""
        for name in ("choice", "model_ready", "can_undo", "can_redo"):
            getattr(self._state.events, name).disconnect(self.show_all)

    def _choose(self, field: str, value: Any) -> None:
        if not self._is_showing:
            changes = {field: value}
            self._session.choosing.choose(field, **changes)

    def _choose_scope(self, index: int) -> None:
        scope = self.scope_box.itemData(index)
        if scope == "region":
            self.region_wanted.emit()
        sight = self._state.sight
        region = sight.region if scope == "region" and sight else None
        if scope == "region" and region is None:
            self._state.message = "Show the layer in 2-D first, to take its region."
            self.show_all()
            return
        self._session.choosing.choose(scope=scope, region=region, use="own")

    def _choose_steps(self, steps: int) -> None:
        self._choose("steps", None if steps == self._state.timesteps else steps)

    def _undo(self) -> None:
        self._session.choosing.undo()

    def _redo(self) -> None:
        self._session.choosing.redo()

    def _reset(self) -> None:
        self._session.choosing.reset()

    def show_all(self) -> None:
        """Show what was chosen; this is no choice itself."""
        self._is_showing = True
        state, choice = self._state, self._state.choice
        is_own = choice.use == "own"
        self.scope_box.setCurrentIndex(self.scope_box.findData(choice.scope))
        self.seed_box.setValue(min(choice.seed, self.seed_box.maximum()))
        self.steps_box.setMaximum(state.timesteps)
        self.steps_box.setValue(choice.steps or state.timesteps)
        self.strength.set_nearest(choice.strength)
        for one in (self.scope_box, self.seed_box, self.steps_box):
            one.setEnabled(is_own)
        has_strength = state.has_statistics
        self.strength.setEnabled(has_strength)
        self.strength.setToolTip(_STRENGTH_TIP if has_strength else _NO_STRENGTH_TIP)
        self.warning.setText(strength_warning(choice.strength))
        self.warning.setVisible(bool(self.warning.text()))
        self.undo_button.setEnabled(state.can_undo)
        self.redo_button.setEnabled(state.can_redo)
        self._is_showing = False
