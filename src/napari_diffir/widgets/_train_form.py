"""What a training is to be: images, camera, recipe, size, folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.qt.threading import create_worker
from psygnal import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from diffir_core.errors import InputError
from napari_diffir._camera import CameraChoice, degraded_picture, load_crop
from napari_diffir._layers import axes_of, full_resolution
from napari_diffir._presets import (
    MODEL_SIZES,
    PRESETS,
    CleanImages,
    file_recipe,
    preset_recipe,
)
from napari_diffir._run_folder import LayerImage, new_folder
from napari_diffir._scripting import Failure
from napari_diffir.widgets._parts import NumberSlider, Picture, button, small_label

if TYPE_CHECKING:
    import napari
    from diffir_training.recipe import Recipe

_FOLDER = "Folder of images…"
_FILE = "Recipe file…"
_PICTURE_PIXELS = 150


class TrainForm(QWidget):
    """The choices before a training; `changed` tells of each."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._crop: Any = None
        self._build()
        self._connect()
        self.refresh_layers()

    def _build(self) -> None:
        self.source_box, self.preset_box, self.size_box = (
            QComboBox(),
            QComboBox(),
            QComboBox(),
        )
        for name, preset in PRESETS.items():
            self.preset_box.addItem(f"{name} ({preset.duration})", name)
        self.preset_box.addItem(_FILE, _FILE)
        for name, size in MODEL_SIZES.items():
            millions = size.parameters / 1e6
            self.size_box.addItem(f"{name} ({millions:.1f} M parameters)", name)
        for box in (self.source_box, self.preset_box, self.size_box):
            policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            box.setSizeAdjustPolicy(policy)
            box.setMinimumContentsLength(12)
        self.folder_edit = QLineEdit(str(new_folder(Path.home() / "diffir-training")))
        self.browse_button = button("…", "Choose the folder.", self._browse)
        self.browse_button.setMaximumWidth(32)
        self.hint = small_label()
        self._add_tooltips()
        self._lay_out()

    def _lay_out(self) -> None:
        folder = QHBoxLayout()
        folder.addWidget(self.folder_edit)
        folder.addWidget(self.browse_button)
        form = QFormLayout()
        form.addRow("Clean images", self.source_box)
        form.addRow(self._build_camera())
        form.addRow("Recipe", self.preset_box)
        form.addRow("Network", self.size_box)
        form.addRow("Run folder", folder)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.hint)
        layout.addStretch()

    def _build_camera(self) -> QGroupBox:
        usual = CameraChoice()
        self.photons = NumberSlider(90, lambda i: 10 ** (i / 30), "{:.0f}")
        self.read_noise = NumberSlider(100, lambda i: i / 10, "{:.1f}")
        self.offset = NumberSlider(30, lambda i: i / 100, "{:.0%}")
        self.photons.set_nearest(usual.photons)
        self.read_noise.set_nearest(usual.read_noise)
        self.offset.set_nearest(usual.offset)
        self.photons.setToolTip(
            "Light in the bright parts of your noisy images, in photons per pixel: the "
            "less, the grainier. A third to three times as much is trained."
        )
        self.read_noise.setToolTip(
            "Noise of the camera's electronics, in photons; seen in the dark parts. "
            "None to twice as much is trained."
        )
        self.offset.setToolTip(
            "What the camera shows in the dark, in per cent of its full scale."
        )
        self.picture = Picture(_PICTURE_PIXELS, "")
        self.picture.setToolTip("A clean image as this camera sees it.")
        box = QGroupBox("Camera noise to learn")
        form = QFormLayout(box)
        form.addRow("Photons", self.photons)
        form.addRow("Read noise", self.read_noise)
        form.addRow("Offset", self.offset)
        form.addRow(self.picture)
        self.camera_box = box
        return box

    def _add_tooltips(self) -> None:
        self.source_box.setToolTip(
            "Bright, sharp images without visible noise, of what you want to restore. "
            "Some of them are held back, to measure the quality."
        )
        self.preset_box.setToolTip(
            "How long to train. A recipe file says everything itself: images, noise, "
            "network and steps."
        )
        costs = ", ".join(
            f"{name} {size.relative_cost:g}" for name, size in MODEL_SIZES.items()
        )
        self.size_box.setToolTip(
            f"Larger networks restore better and are slower; time a step: {costs}."
        )
        self.folder_edit.setToolTip(
            "Everything of the run is kept here: images, curves, checkpoints, model. "
            "Choose the folder of an earlier run to go on with it."
        )

    def _connect(self) -> None:
        events = self._viewer.layers.events
        events.inserted.connect(self.refresh_layers)
        events.removed.connect(self.refresh_layers)
        self.source_box.activated.connect(self._choose_folder)
        self.source_box.currentIndexChanged.connect(self._load_crop)
        self.preset_box.activated.connect(self._choose_file)
        self.preset_box.currentIndexChanged.connect(self._show_used)
        self.folder_edit.textChanged.connect(lambda _: self.changed.emit())
        for slider in (self.photons, self.read_noise, self.offset):
            slider.changed.connect(self._show_crop)

    def leave(self) -> None:
        """Leave the viewer's events."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self.refresh_layers)
        events.removed.disconnect(self.refresh_layers)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.folder_edit.text().strip()).expanduser()

    @property
    def camera(self) -> CameraChoice:
        """The camera that the sliders describe."""
        return CameraChoice(
            self.photons.value, self.read_noise.value, self.offset.value
        )

    @property
    def source(self) -> LayerImage | Path | None:
        """The chosen layer's array, or the chosen folder."""
        chosen = self.source_box.currentData()
        if isinstance(chosen, Image):
            return LayerImage(full_resolution(chosen), axes_of(chosen)[0])
        return Path(chosen) if chosen else None

    @property
    def recipe_file(self) -> Path | None:
        """The chosen recipe file; None where a preset is chosen."""
        name = self.preset_box.currentData()
        return None if name in PRESETS or name == _FILE else Path(name)

    def make_recipe(self) -> Callable[[Path], Recipe]:
        """Give what prepares the run, for its worker."""
        if self.recipe_file is not None:
            return partial(file_recipe, path=self.recipe_file)
        if self.source is None:
            raise InputError("Open a clean image first, or choose a folder of images.")
        return partial(
            preset_recipe,
            preset=self.preset_box.currentData(),
            size=self.size_box.currentData(),
            images=CleanImages(self.source, self.camera),
        )

    @property
    def is_complete(self) -> bool:
        """Whether a training could begin."""
        return self.recipe_file is not None or self.source is not None

    def refresh_layers(self, event: Any = None) -> None:
        """List the image layers; folders stay."""
        chosen, box = self.source_box.currentData(), self.source_box
        folders = [box.itemData(i) for i in range(box.count())]
        box.blockSignals(True)
        box.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                box.addItem(layer.name, layer)
        for folder in folders:
            if isinstance(folder, str):
                box.addItem(Path(folder).name, folder)
        box.addItem(_FOLDER)
        entries = [box.itemData(i) for i in range(box.count())]
        still = [
            i for i, data in enumerate(entries) if data is not None and data is chosen
        ]
        box.setCurrentIndex(still[0] if still else 0)
        box.blockSignals(False)
        if not still:
            self._load_crop()

    def add_folder(self, folder: Path) -> None:
        """Offer a folder of clean images, and choose it."""
        self.source_box.insertItem(0, folder.name, str(folder))
        self.source_box.setCurrentIndex(0)

    def add_recipe(self, path: Path) -> None:
        """Offer a recipe file, and choose it."""
        self.preset_box.insertItem(0, path.name, str(path))
        self.preset_box.setCurrentIndex(0)

    def _choose_folder(self, index: int) -> None:
        if self.source_box.itemText(index) != _FOLDER:
            return
        name = QFileDialog.getExistingDirectory(self, "Folder of clean images")
        if name:
            self.add_folder(Path(name))
        else:
            self.source_box.setCurrentIndex(0)

    def _choose_file(self, index: int) -> None:
        if self.preset_box.itemText(index) != _FILE:
            return
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose a recipe", "", "Recipes (*.yaml *.yml)"
        )
        if name:
            self.add_recipe(Path(name))
        else:
            self.preset_box.setCurrentIndex(0)

    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of the run")
        if name:
            self.folder_edit.setText(name)

    def _show_used(self, index: int = 0) -> None:
        from_preset = self.recipe_file is None
        for part in (self.source_box, self.camera_box, self.size_box):
            part.setEnabled(from_preset)
        self.changed.emit()

    def _load_crop(self, index: int = 0) -> None:
        self._crop, source = None, self.source
        self.changed.emit()
        if source is None:
            self.picture.setText("Open a clean image, or choose a folder of images.")
            return
        worker = create_worker(load_crop, source, _start_thread=False)
        chosen = self.source_box.currentData()
        worker.returned.connect(lambda crop: self._take_crop(crop, chosen))
        worker.start()

    def _take_crop(self, crop: Any, chosen: Any) -> None:
        if chosen is not self.source_box.currentData():
            return  # Another one has been chosen while it was read.
        if isinstance(crop, Failure):
            self.hint.setText(str(crop.error))
            self.picture.setText("")
            return
        self.hint.setText("")
        self._crop = crop
        self._show_crop()

    def _show_crop(self) -> None:
        if self._crop is not None:
            self.picture.show_array(degraded_picture(self._crop, self.camera))
