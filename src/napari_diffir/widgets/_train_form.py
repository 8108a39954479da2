"""What a training is to be: images, recipe, folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import InputError
from napari_diffir._recipes import file_recipe, preset_recipe
from napari_diffir._run_folder import new_folder
from napari_diffir._training import folder_problem
from napari_diffir._typed_paths import typed_path
from napari_diffir.widgets._image_forms import CleanForm, ImagesForm
from napari_diffir.widgets._noisy_forms import FramesForm, PairForm
from napari_diffir.widgets._parts import button, small_label
from napari_diffir.widgets._recipe_form import RecipeForm
from napari_diffir.widgets._source_box import narrow

if TYPE_CHECKING:
    import napari
    from diffir_training.recipe import Recipe


class TrainForm(QWidget):
    """The choices before a training; `changed` tells of each."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.clean, self.pairs = CleanForm(viewer), PairForm(viewer)
        self.frames = FramesForm(viewer)
        self.kinds: tuple[ImagesForm, ...] = (self.clean, self.pairs, self.frames)
        self.recipe = RecipeForm()
        self._build()
        self._lay_out()
        self._connect()
        self.current.look()

    def _build(self) -> None:
        self.kind_box, self._pages = narrow(QComboBox()), QStackedWidget()
        for form in self.kinds:
            self.kind_box.addItem(form.title)
            self._pages.addWidget(form)
        self.folder_edit = QLineEdit(str(new_folder(Path.home() / "diffir-training")))
        self.folder_hint = small_label()
        self.folder_hint.hide()
        self.browse_button = button("…", "Choose the folder.", self._browse)
        self.browse_button.setMaximumWidth(32)
        self.kind_box.setToolTip(
            "Pairs and repeated frames hold the noise of your own microscope; clean "
            "images alone need a camera that is simulated."
        )
        self.folder_edit.setToolTip(
            "Everything of the run is kept here: images, curves, checkpoints, model. "
            "Choose the folder of an earlier run to go on with it."
        )

    def _lay_out(self) -> None:
        folder = QHBoxLayout()
        folder.addWidget(self.folder_edit)
        folder.addWidget(self.browse_button)
        above, below = QFormLayout(), QFormLayout()
        above.addRow("Learn from", self.kind_box)
        below.addRow("Run folder", folder)
        below.addRow("", self.folder_hint)
        layout = QVBoxLayout(self)
        layout.addLayout(above)
        layout.addWidget(self._pages)
        layout.addWidget(self.recipe)
        layout.addLayout(below)
        layout.addStretch()

    def _connect(self) -> None:
        self.kind_box.currentIndexChanged.connect(self._show_kind)
        self.recipe.changed.connect(self._show_used)
        self.folder_edit.textChanged.connect(lambda _: self._look_at_folder())
        self.clean.changed.connect(lambda: self._take_choice(self.clean))
        self.pairs.changed.connect(lambda: self._take_choice(self.pairs))
        self.frames.changed.connect(lambda: self._take_choice(self.frames))

    def leave(self) -> None:
        """Leave the viewer's events."""
        for form in self.kinds:
            form.leave()

    @property
    def current(self) -> ImagesForm:
        """The form of the chosen kind of images."""
        return self.kinds[self.kind_box.currentIndex()]

    @property
    def folder(self) -> Path | None:
        """The run's folder; None if its field names no place."""
        try:
            return self._typed_folder()
        except InputError:
            return None

    @property
    def problem(self) -> str:
        """Why no run can be kept in the folder, or nothing."""
        try:
            return folder_problem(self._typed_folder())
        except InputError as error:
            return str(error)

    def _typed_folder(self) -> Path | None:
        text = self.folder_edit.text().strip()
        return typed_path(text) if text else None

    def make_recipe(self) -> Callable[[Path], Recipe]:
        """Give what prepares the run, for its worker."""
        if self.recipe.file is not None:
            return partial(file_recipe, path=self.recipe.file)
        return partial(
            preset_recipe,
            preset=self.recipe.preset,
            network=self.recipe.network,
            images=self.current.images(),
            device=self.recipe.device or "auto",
        )

    @property
    def is_complete(self) -> bool:
        """Whether a training could begin."""
        has_images = self.recipe.file is not None or self.current.is_complete
        return has_images and not self.problem

    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of the run")
        if name:
            self.folder_edit.setText(name)

    def _look_at_folder(self) -> None:
        problem = self.problem
        self.folder_hint.setText(problem)
        self.folder_hint.setVisible(bool(problem))
        self.changed.emit()

    def _show_kind(self, index: int = 0) -> None:
        self._pages.setCurrentIndex(index)
        self._take_choice(self.current)

    def _take_choice(self, form: ImagesForm) -> None:
        if form is self.current:
            form.look()
            self.changed.emit()

    def _show_used(self) -> None:
        for part in (self.kind_box, self._pages):
            part.setEnabled(self.recipe.file is None)
        self.changed.emit()
