"""What is to be restored to disk: from where, how, to where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import InputError
from diffir_core.stacks.destination import names_a_file
from diffir_core.stacks.folders import result_name, stacks_of
from diffir_core.stacks.jobs import RestoreJob
from napari_diffir._layer_text import saved_file
from napari_diffir._layers import axes_of
from napari_diffir._stack_inputs import files_behind, input_of
from napari_diffir._stack_places import check_place, place_beside, place_of_layer
from napari_diffir._stack_steps import StackRequest, StackTask
from napari_diffir._typed_paths import typed_path
from napari_diffir.widgets._model_box import ModelBox
from napari_diffir.widgets._options_box import OptionsBox
from napari_diffir.widgets._parts import AXES_TIP, button, small_label
from napari_diffir.widgets._stack_box import StackBox

if TYPE_CHECKING:
    import napari

_OUTPUT_TIP = (
    "An .ome.zarr, which can be looked at while it grows and has resolution levels, or "
    "an .ome.tif; a folder, for a folder of stacks."
)


class StackForm(QWidget):
    """The choices before a restoration to disk; `changed` tells of each."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._fingerprint: str | None = None
        self._lacks_input = False
        self._build(viewer)
        self._lay_out()
        self._connect()
        self._show_input()

    def _build(self, viewer: napari.Viewer) -> None:
        self.input_box, self.model_box = StackBox(viewer), ModelBox()
        self.axes_edit, self.output_edit = QLineEdit(), QLineEdit()
        self.axes_hint, self.options_box = small_label(), OptionsBox()
        self.replace_box = QCheckBox("Replace what is there")
        self.browse_button = button("…", "Choose the folder.", self._browse)
        self.browse_button.setMaximumWidth(32)
        self.axes_edit.setToolTip(AXES_TIP)
        self.axes_edit.setPlaceholderText("as the file says")
        self.output_edit.setToolTip(_OUTPUT_TIP)
        self.replace_box.setToolTip("An old output stays until the new one is whole.")

    def _lay_out(self) -> None:
        output = QHBoxLayout()
        output.addWidget(self.output_edit)
        output.addWidget(self.browse_button)
        form = QFormLayout()
        form.addRow("Stack", self.input_box)
        form.addRow("Axes", self.axes_edit)
        form.addRow("", self.axes_hint)
        form.addRow("Model", self.model_box)
        form.addRow("Output", output)
        form.addRow("", self.replace_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.options_box)

    def _connect(self) -> None:
        self.input_box.changed.connect(self._show_input)
        self.input_box.altered.connect(lambda _: self._show_axes())
        self.model_box.changed.connect(self._forget_fingerprint)
        self.axes_edit.textChanged.connect(self._show_hint)
        self.output_edit.textChanged.connect(self._tell)
        self.replace_box.toggled.connect(self._tell)
        self.options_box.changed.connect(self._tell)

    def _tell(self, value: object = None) -> None:
        self.changed.emit()

    def leave(self) -> None:
        """Leave the viewer's events."""
        self.input_box.leave()

    @property
    def destination(self) -> Path:
        """The output; raises `InputError` for what names no place."""
        return typed_path(self.output_edit.text())

    @property
    def axes(self) -> str | None:
        """The axes in their field; None if it is empty."""
        return self.axes_edit.text().strip().upper() or None

    @property
    def is_complete(self) -> bool:
        """Whether there is something to restore, and a place for it."""
        box = self.input_box
        return (box.path or box.layer) is not None and bool(
            self.output_edit.text().strip()
        )

    def check_place(self) -> None:
        """Refuse an output that cannot be written, or is read, with one sentence."""
        if self.is_complete:
            is_folder = self.input_box.is_folder_of_stacks
            check_place(
                self.destination, self._sources(), is_folder_of_stacks=is_folder
            )

    def _sources(self) -> tuple[Path, ...]:
        box = self.input_box
        if box.layer is not None:
            return files_behind(box.layer)
        return (box.path,) if box.path is not None else ()

    def request(self, *, resume: bool = False) -> StackRequest:
        """Give what is asked for; raises `InputError` with what is missing."""
        box = self.input_box
        return StackRequest(
            self._tasks(),
            self.model_box.chosen,
            self.axes,
            self.options_box.options_for(self.axes),
            folder=box.path if box.is_folder_of_stacks else None,
            overwrite=self.replace_box.isChecked() and not resume,
            resume=resume,
            model_fingerprint=self._fingerprint,
        )

    def _tasks(self) -> tuple[StackTask, ...]:
        box, target = self.input_box, self.destination
        if not self.is_complete:
            raise InputError("Choose a stack and an output first.")
        if box.is_folder_of_stacks and box.path is not None:
            stacks = stacks_of(box.path)
            return tuple(StackTask(one, target / result_name(one)) for one in stacks)
        if box.layer is not None:
            if self.axes is None:
                raise InputError("Say what the layer's axes are, such as ZYX.")
            return (StackTask(input_of(box.layer, self.axes), target),)
        return (StackTask(Path(str(box.path)), target),)

    def job(self) -> RestoreJob:
        """Give the choices as a job, of one stack or of a folder of them.

        Raises `InputError` with what is missing, such as the file of a layer.
        """
        request, box = self.request(), self.input_box
        source = box.path if box.layer is None else saved_file(box.layer)
        return RestoreJob(
            input=str(source),
            output=str(self.destination),
            model=request.model,
            model_fingerprint=request.model_fingerprint,
            axes=request.axes,
            options=request.options,
        )

    def show_job(self, job: RestoreJob) -> None:
        """Fill in what a job says."""
        source, target = Path(job.input), Path(job.output)
        self.input_box.add_path(
            source,
            is_folder_of_stacks=source.is_dir() and not names_a_file(target),
        )
        self._fill(job, target)

    def show_request(self, request: StackRequest) -> bool:
        """Fill in a run; False if the layer that it was begun with is gone.

        All but that layer then stays as it is when one is chosen in its place.
        """
        task, folder = request.tasks[0], request.folder
        is_there = self.input_box.choose_input(
            folder or task.source, is_folder_of_stacks=folder is not None
        )
        self._fill(request, task.destination.parent if folder else task.destination)
        self._lacks_input = not is_there
        return is_there

    def _fill(self, asked: RestoreJob | StackRequest, target: Path) -> None:
        self.model_box.choose(asked.model)
        self.axes_edit.setText(asked.axes or "")
        self.output_edit.setText(str(target))
        self.options_box.show_options(asked.options)
        self._fingerprint = asked.model_fingerprint
        self.changed.emit()

    def _forget_fingerprint(self) -> None:
        self._fingerprint = None
        self.changed.emit()

    def _show_input(self) -> None:
        if self._lacks_input:
            self._lacks_input = False
            self._show_hint()
            return
        self.output_edit.setText(str(self._proposed_output() or ""))
        self._show_axes()

    def _show_axes(self) -> None:
        layer = self.input_box.layer
        self.axes_edit.setText(axes_of(layer)[0] if layer is not None else "")
        self._show_hint()

    def _show_hint(self, text: str = "") -> None:
        layer, hint = self.input_box.layer, ""
        if layer is not None and self.axes == axes_of(layer)[0]:
            hint = "guessed: the layer's axes have no names" * axes_of(layer)[1]
        self.axes_hint.setText(hint)
        self.axes_hint.setVisible(bool(hint))
        self.changed.emit()

    def _proposed_output(self) -> Path | None:
        box = self.input_box
        if box.path is not None:
            is_folder = box.is_folder_of_stacks
            return place_beside(box.path, is_folder_of_stacks=is_folder)
        return None if box.layer is None else place_of_layer(box.layer)

    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of the output")
        if name:
            is_batch = self.input_box.is_folder_of_stacks
            kept = Path(name) / Path(self.output_edit.text()).name
            self.output_edit.setText(name if is_batch else str(kept))
