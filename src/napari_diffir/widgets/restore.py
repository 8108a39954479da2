"""The Restore widget: choose a layer and a model, press Restore."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.qt.threading import GeneratorWorker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from diffir_core.errors import DiffIRError, InputError
from diffir_core.options import RestoreOptions
from napari_diffir._layer_text import layer_command, layer_python
from napari_diffir._layers import Placement, full_resolution, placement_of
from napari_diffir._pyside import spare_references
from napari_diffir._scripting import Failure, restored_layer, steps_or_failure
from napari_diffir._wording import duration, restored_sentence
from napari_diffir._worker import ClosingWorker, new_worker
from napari_diffir.widgets._copy_menu import CopyButton
from napari_diffir.widgets._panel import Panel
from napari_diffir.widgets._parts import button, small_label
from napari_diffir.widgets._restore_agreement import RestoreAgreement
from napari_diffir.widgets._restore_form import RestoreForm

if TYPE_CHECKING:
    import napari

    from diffir_core.stacks.stream import RestoreProgress
    from napari_diffir._scripting import RestoreResult

_BAR_STEPS = 1000
_MINIMUM_WIDTH_PIXELS = 300


class RestoreWidget(Panel):
    """Restore an image layer; the result is a new layer beside it.

    Several panels show the same model and options.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(_MINIMUM_WIDTH_PIXELS)
        spare_references()
        self._viewer = napari_viewer
        self._worker: GeneratorWorker[Any, Any, Any] | None = None
        self._started, self._is_cancelled = 0.0, False
        self._build()
        self.form.changed.connect(self._show_buttons)
        self._leave_when_destroyed()
        self._show_buttons()

    def _build(self) -> None:
        self.form, self.status = RestoreForm(self._viewer), small_label()
        self._agreement = RestoreAgreement(self.form)
        self.progress_bar = QProgressBar()
        self.progress_bar.setRange(0, _BAR_STEPS)
        self.restore_button = button(
            "Restore", "The result is a new layer beside the chosen one.", self.start
        )
        self.cancel_button = button(
            "Cancel", "Stops within a moment; nothing is added.", self.cancel
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore_button)
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self._build_copy_button())
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.status)
        layout.addStretch()
        self._scroll(content)

    def _build_copy_button(self) -> CopyButton:
        self.copy_button = CopyButton("C&opy…", "The same as text, to run elsewhere.")
        self.copy_button.add_copy("Copy as Python", lambda: self._words(layer_python))
        self.copy_button.add_copy("Copy as command", lambda: self._words(layer_command))
        self.copy_button.said.connect(lambda text: self.status.setText(text))
        return self.copy_button

    def _words(self, door: Callable[[Image, str, str, RestoreOptions], str]) -> str:
        form = self.form
        if form.layer is None or not form.is_complete:
            raise InputError("Choose a layer with its axes first.")
        return door(form.layer, form.axes, form.model, form.options)

    def _show_buttons(self) -> None:
        is_free = self._worker is None
        self.restore_button.setEnabled(is_free and self.form.is_complete)
        self.cancel_button.setEnabled(not is_free)

    def add_model(self, path: Path, name: str | None = None) -> None:
        """Offer a weights file, by a name of its own if need be, and choose it."""
        self.form.add_model(path, name)

    def start(self) -> None:
        """Begin to restore the chosen layer, or say why that cannot be."""
        layer, form = self.form.layer, self.form
        if self._worker is not None:
            return
        if layer is None or not form.is_complete:
            self.status.setText(form.problem)
            return
        try:
            options = form.options_box.options_for(form.axes)
        except DiffIRError as error:
            self._show_failure(error)
            return
        data, place = full_resolution(layer), placement_of(layer, form.axes)
        parts = data, form.axes, form.model, options
        worker = new_worker(steps_or_failure, *parts, kind=ClosingWorker)
        self._listen(worker, place)
        self._begin(worker)

    def _listen(self, worker: GeneratorWorker[Any, Any, Any], place: Placement) -> None:
        """Follow a worker; the result is placed where the layer is now."""
        slots: dict[Any, Callable[..., object]] = {
            worker.yielded: self._unless_cancelled(self._show_progress),
            worker.returned: self._unless_cancelled(
                lambda result: self._take_result(place, result)
            ),
            worker.aborted: self._show_cancelled,
            worker.finished: self._end,
        }
        for signal, slot in slots.items():
            signal.connect(self._while_here(slot))

    def _unless_cancelled(self, slot: Callable[..., object]) -> Callable[..., object]:
        """Give a slot that leaves out what was on its way when Cancel was pressed."""
        return lambda told: None if self._is_cancelled else slot(told)

    def _begin(self, worker: GeneratorWorker[Any, Any, Any]) -> None:
        self._worker, self._started = worker, time.monotonic()
        self._is_cancelled = False
        self._show_buttons()
        self.progress_bar.setValue(0)
        self.status.setText("Loading the model…")
        worker.start()

    def cancel(self) -> None:
        """Stop the restoration under way, within one strip."""
        if self._worker is not None:
            self._is_cancelled = True
            self.status.setText("Cancelling…")
            self._worker.quit()

    def _end(self) -> None:
        if self._is_cancelled:  # Near the end, napari has no signal for it.
            self._show_cancelled()
        self._worker = None
        self._show_buttons()

    def _take_result(self, place: Placement, result: Failure | RestoreResult) -> None:
        if isinstance(result, Failure):
            self._show_failure(result.error)
        else:
            self._add_result(place, result)

    def _add_result(self, place: Placement, result: RestoreResult) -> None:
        added = restored_layer(place, result).add_to(self._viewer)
        report = result[2]
        self.progress_bar.setValue(_BAR_STEPS)
        self.status.setText(
            restored_sentence(
                report["planes"],
                report["seconds"],
                report["clipped_values"],
                report["rounded_to_levels"],
            )
        )
        show_info(f"DiffIR: '{added.name}' is ready.")

    def _show_progress(self, progress: RestoreProgress) -> None:
        self.progress_bar.setValue(int(progress.fraction * _BAR_STEPS))
        elapsed = time.monotonic() - self._started
        left = elapsed / progress.fraction - elapsed if progress.fraction else 0.0
        self.status.setText(
            f"Plane {progress.planes_done} of {progress.planes}, "
            f"about {duration(left)} left"
        )

    def _show_cancelled(self) -> None:
        self.progress_bar.setValue(0)
        self.status.setText("Cancelled; nothing added.")

    def _show_failure(self, error: Exception) -> None:
        self.progress_bar.setValue(0)
        self.status.setText(str(error))
        show_error(f"DiffIR: {error}")

    def _leave(self, *, is_destroyed: bool) -> None:
        if self._worker is not None:
            self._worker.quit()
        self._agreement.leave()
        self.form.leave()
