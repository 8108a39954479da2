"""What is done with a choice: a whole stack, a new layer, a file, a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QGridLayout, QProgressBar, QWidget

from diffir_core.errors import DiffIRError
from napari_diffir._ipr_words import OPTIONS_FILE, as_command, as_python
from napari_diffir._scripting import restored_layer
from napari_diffir.widgets._parts import button

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_diffir._ipr_session import IPRSession
    from napari_diffir._scripting import RestoreResult

_BAR_STEPS = 1000


class IPRActions(QWidget):
    """The buttons below the controls, and how far the long work is."""

    def __init__(
        self,
        viewer: napari.Viewer,
        session: IPRSession,
        layer_of: Callable[[], Image | None],
    ) -> None:
        super().__init__()
        self._viewer, self._session, self._layer_of = viewer, session, layer_of
        self._state, self._choosing = session.state, session.choosing
        self.bar = QProgressBar()
        self.bar.setRange(0, _BAR_STEPS)
        self._build()
        for event in self._events():
            event.connect(self.show_all)
        self.show_all()

    def _events(self) -> tuple[Any, ...]:
        events = self._state.events
        return events.progress, events.ipr, events.image

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
        self.save_button = button(
            "&Save options…",
            "As a YAML file for 'diffir restore --options' and for scripts.",
            self._choose_target,
        )
        self.cancel_button = button(
            "&Cancel", "End the long work within a moment.", self._session.cancel
        )
        self.python_button = button(
            "Copy as &Python", "A script that does the same.", self.copy_python
        )
        self.command_button = button(
            "C&opy as command", "A command that does the same.", self.copy_command
        )
        self._lay_out()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
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
        grid.addWidget(self.bar, 3, 0, 1, 2)

    def leave(self) -> None:
        """Stop following the state."""
        for event in self._events():
            event.disconnect(self.show_all)

    def restore(self) -> None:
        """Restore the layer as chosen, in the background."""
        layer = self._layer_of()

        def add(result: RestoreResult) -> None:
            if layer is not None:
                added = restored_layer(layer, result).add_to(self._viewer)
                self._state.message = f"'{added.name}' is ready."

        self._session.restore(add)

    def copy_python(self) -> None:
        """Put a script into the clipboard."""
        QGuiApplication.clipboard().setText(as_python(self._state))
        self._state.message = "Copied. " + self._file_hint()

    def copy_command(self) -> None:
        """Put a command into the clipboard."""
        QGuiApplication.clipboard().setText(as_command(self._state))
        self._state.message = "Copied. " + self._file_hint()

    def _file_hint(self) -> str:
        if self._state.choice.use == "slots":
            return "It reads the files of 'Export the IPR' and 'Save options'."
        return "Put in the path of your file where none is known."

    def _choose_target(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save options", OPTIONS_FILE, "YAML (*.yaml)"
        )
        if name:
            self._try(lambda: self._choosing.save_options(Path(name)))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (DiffIRError, OSError) as error:
            self._state.message = str(error)

    def show_all(self) -> None:
        """Show how far the work is, and what can be done."""
        done, has_image = self._state.progress, self._state.image is not None
        self.bar.setValue(round(_BAR_STEPS * (done or 0.0)))
        self.bar.setVisible(done is not None)
        self.cancel_button.setEnabled(done is not None)
        self.restore_button.setEnabled(done is None and has_image)
        self.save_button.setEnabled(has_image)
        self.whole_button.setEnabled(self._state.ipr is not None)
