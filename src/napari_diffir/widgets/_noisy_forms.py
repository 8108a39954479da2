"""Forms for images with real noise: noisy and clean pairs, repeated frames."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGroupBox, QVBoxLayout

from diffir_core.errors import InputError
from napari_diffir._crops import beside
from napari_diffir._layer_files import LayerImage
from napari_diffir._noisy_images import (
    PairedImages,
    RepeatedFrames,
    alike_in_axes,
    frames_in_time,
)
from napari_diffir._training_images import TrainingImages
from napari_diffir.widgets._image_forms import ImagesForm
from napari_diffir.widgets._preview import Preview
from napari_diffir.widgets._source_box import SourceBox

if TYPE_CHECKING:
    import napari


class PairForm(ImagesForm):
    """Noisy images, and clean ones of the same places."""

    title = "Noisy and clean pairs"

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.noisy_box = SourceBox(
            viewer,
            "Folder of noisy images",
            "Images as noisy as those that you want to restore.",
        )
        self.clean_box = SourceBox(
            viewer,
            "Folder of clean images",
            "The same places without noise, such as from a long exposure: an image of "
            "the same shape, or a folder of files with the same names.",
        )
        tip = "The same place of a noisy image and of its clean one: they must match."
        self.preview = Preview(lambda crops: partial(beside, crops), tip)
        box = QGroupBox("Noisy | clean")
        QVBoxLayout(box).addWidget(self.preview)
        self._lay_out({"Noisy": self.noisy_box, "Clean": self.clean_box}, box)
        self.noisy_box.changed.connect(self._choose_another)
        self.clean_box.listed.connect(self._choose_another)
        self._choose_another()

    @property
    def boxes(self) -> tuple[SourceBox, ...]:
        """The choices."""
        return self.noisy_box, self.clean_box

    def images(self) -> TrainingImages:
        """Give the pairs, or refuse them with one sentence."""
        noisy, clean = self.noisy_box.source, self.clean_box.source
        if noisy is None or clean is None:
            raise InputError(
                "Open a noisy and a clean image first, or choose folders of them."
            )
        if isinstance(noisy, LayerImage) and isinstance(clean, LayerImage):
            guessed = self.noisy_box.is_guessed, self.clean_box.is_guessed
            noisy, clean = alike_in_axes(noisy, clean, guessed)
        return PairedImages(noisy, clean)

    def _choose_another(self) -> None:
        """Choose two different layers where there are two."""
        self.clean_box.choose_other_than(self.noisy_box.layer)


class FramesForm(ImagesForm):
    """Repeated noisy frames of the same places."""

    title = "Repeated noisy frames"

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.frames_box = SourceBox(
            viewer,
            "Folder of repeated frames",
            "Frames of the same place at rest, one after the other along time; or a "
            "folder with such a stack, or a folder of frames, for each place.",
        )
        self.preview = Preview(
            lambda crops: partial(beside, crops),
            "A frame, and the mean of the others: where it is blurred or doubled, the "
            "specimen has moved, and a model would learn to blur.",
        )
        box = QGroupBox("One frame | the mean of the others")
        QVBoxLayout(box).addWidget(self.preview)
        self._lay_out({"Frames": self.frames_box}, box)

    @property
    def boxes(self) -> tuple[SourceBox, ...]:
        """The choices."""
        return (self.frames_box,)

    def images(self) -> TrainingImages:
        """Give the frames, or refuse them with one sentence."""
        source = self.frames_box.source
        if source is None:
            raise InputError(
                "Open a stack of repeated frames first, or choose a folder of them."
            )
        if isinstance(source, LayerImage):
            source = frames_in_time(source, is_guessed=self.frames_box.is_guessed)
        return RepeatedFrames(source)
