"""What is done with a choice: a whole stack, a new layer, a file, a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtWidgets import QGridLayout, QProgressBar, QWidget

from diffir_core.errors import DiffIRError, InputError
from napari_diffir._layer_text import layer_job, layer_python
from napari_diffir._layers import placement_of
from napari_diffir._scripting import restored_layer
from napari_diffir._wording import told
from napari_diffir.widgets._job_menu import JobButton
from napari_diffir.widgets._parts import button

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.jobs import RestoreJob
    from napari_diffir._ipr_session import IPRSession
    from napari_diffir._ipr_state import ImageChoice
    from napari_diffir._scripting import RestoreResult
    from napari_diffir.widgets._layer_source import LayerSource

_BAR_STEPS = 1000
Text = TypeVar("Text")


class IPRActions(QWidget):
    """The buttons below the controls, and how far the long work is."""

    def __init__(
        self, viewer: napari.Viewer, session: IPRSession, source: LayerSource
    ) -> None:
        super().__init__()
        self._viewer, self._session, self._source = viewer, session, source
        self._state, self._choosing = session.state, session.choosing
        self._has_left = False
        self.bar = QProgressBar()
        self.bar.setRange(0, _BAR_STEPS)
        self._build()
        for event in self._events():
            event.connect(self.show_all)
        self.show_all()

    def _events(self) -> tuple[Any, ...]:
        events = self._state.events
        return events.progress, events.ipr, events.image, self._source.changed

    def _build(self) -> None:
        self.whole_button = button(
            "Use for &whole stack",
            "Restore every plane under the IPR of the plane in view.",
            lambda: self._try(self._choosing.use_for_whole_stack),
        )
        self.restore_button = button(
            "&Restore layer",
            "Restore all planes as chosen; the result is a new layer.",
            lambda: self._try(self.restore),
        )
        self.cancel_button = button(
            "&Cancel", "End the long work within a moment.", self._session.cancel
        )
        self.job_button = JobButton(
            lambda: self._words(layer_job), lambda: self._words(layer_python)
        )
        self.job_button.loaded.connect(lambda job: self._try(lambda: self.load(job)))
        self.job_button.said.connect(self._say)
        self._lay_out()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        buttons = self.whole_button, self.restore_button, self.job_button
        for number, one in enumerate((*buttons, self.cancel_button)):
            grid.addWidget(one, number // 2, number % 2)
        grid.addWidget(self.bar, 2, 0, 1, 2)

    def leave(self) -> None:
        """Stop following the state; the viewer may be about to close."""
        self._has_left = True
        for event in self._events():
            event.disconnect(self.show_all)

    def restore(self) -> None:
        """Restore the layer as chosen, in the background."""
        layer, image = self._chosen()
        # The state is shared, and another viewer's image may have come in between.
        self._session.look_at(image, self._source.model)
        place = placement_of(layer, image.axes)

        def add(result: RestoreResult) -> None:
            if self._has_left:
                return  # Another viewer's controls keep the session at work.
            added = restored_layer(place, result).add_to(self._viewer)
            self._state.message = f"'{added.name}' is ready."

        self._session.restore(add)

    def _chosen(self) -> tuple[Image, ImageChoice]:
        """Give the layer that this widget shows, whatever others do."""
        layer, image = self._source.layer, self._source.image
        if layer is None or image is None:
            raise InputError(self._source.problem)
        return layer, image

    def _words(self, door: Callable[[Image, str, str, RestoreOptions], Text]) -> Text:
        """Give what `door` makes of the layer and what was chosen."""
        layer, image = self._chosen()
        options = self._choosing.options()
        return door(layer, image.axes, self._state.model_name, options)

    def load(self, job: RestoreJob) -> None:
        """Choose what a job does; the layer stays."""
        self._session.look_at(self._state.image, job.model)
        self._choosing.take(job.options)

    def _say(self, text: str) -> None:
        self._state.message = text

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (DiffIRError, OSError) as error:
            self._state.message = str(told(error))

    def show_all(self) -> None:
        """Show how far the work is, and what can be done."""
        done, has_image = self._state.progress, self._source.image is not None
        self.bar.setValue(round(_BAR_STEPS * (done or 0.0)))
        self.bar.setVisible(done is not None)
        self.cancel_button.setEnabled(done is not None)
        self.restore_button.setEnabled(done is None and has_image)
        self.job_button.setEnabled(has_image)
        self.whole_button.setEnabled(self._state.ipr is not None)
