"""What to learn from: any kind of images, and clean ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QVBoxLayout, QWidget

from diffir_core.errors import InputError
from napari_diffir._camera import degraded_picture
from napari_diffir._training_images import CleanImages, TrainingImages
from napari_diffir.widgets._camera_form import CameraForm
from napari_diffir.widgets._preview import Preview
from napari_diffir.widgets._source_box import SourceBox

if TYPE_CHECKING:
    import napari


class ImagesForm(QWidget):
    """Some choices of layers or folders, and a look at them.

    `changed` tells of each choice.
    """

    changed = Signal()
    title = ""
    """The name of this kind of images in the list of kinds."""
    preview: Preview

    def images(self) -> TrainingImages:
        """Give what was chosen, or refuse it with one sentence."""
        raise NotImplementedError

    @property
    def boxes(self) -> tuple[SourceBox, ...]:
        """The choices."""
        raise NotImplementedError

    @property
    def is_complete(self) -> bool:
        """Whether every choice is made."""
        return all(box.source is not None for box in self.boxes)

    def look(self) -> None:
        """Begin to read crops of what was chosen."""
        self.preview.load(self.images)

    def leave(self) -> None:
        """Leave the viewer's events, and wait for no picture."""
        self.preview.cancel()
        for box in self.boxes:
            box.leave()

    def _lay_out(self, rows: dict[str, SourceBox], box: QGroupBox) -> None:
        form = QFormLayout()
        for text, choice in rows.items():
            form.addRow(text, choice)
            choice.changed.connect(self.changed.emit)
            choice.altered.connect(lambda _: self.changed.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(box)
        layout.addStretch()


class CleanForm(ImagesForm):
    """Clean images, and the camera that spoils them."""

    title = "Clean images"

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.source_box = SourceBox(
            viewer,
            "Folder of clean images",
            "Bright, sharp images without visible noise, of what you want to restore. "
            "Some of them are held back, to measure the quality.",
        )
        self.camera_form = CameraForm()
        self.preview = Preview(
            lambda crops: partial(degraded_picture, crops[0], self.camera_form.camera),
            "A clean image as this camera sees it.",
        )
        box = QGroupBox("Camera noise to learn")
        layout = QVBoxLayout(box)
        layout.addWidget(self.camera_form)
        layout.addWidget(self.preview)
        self._lay_out({"Clean images": self.source_box}, box)
        self.camera_form.changed.connect(self.preview.redraw)

    @property
    def boxes(self) -> tuple[SourceBox, ...]:
        """The choices."""
        return (self.source_box,)

    def images(self) -> TrainingImages:
        """Give the clean images, or refuse them with one sentence."""
        source = self.source_box.source
        if source is None:
            raise InputError("Open a clean image first, or choose a folder of images.")
        return CleanImages(source, self.camera_form.camera)
