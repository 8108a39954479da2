"""Training images that hold the noise of a real microscope: pairs, repeated frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diffir_core.errors import InputError
from diffir_core.stacks.axes import check_axes
from napari_diffir._crops import Crops, frame_crops, pair_crops
from napari_diffir._image_folders import (
    FRAMES_FIRST,
    check_folder,
    fields_in,
    guessed_axes,
    images_in,
    patterns_below,
    single_plane,
)
from napari_diffir._layer_files import IMAGES, LayerImage, write_images
from napari_diffir._training_images import Sections, Source, sections


@dataclass(frozen=True, slots=True)
class PairedImages:
    """Noisy images and clean ones of the same places: two layers, or two folders.

    Files in folders are partners if they have the same name.
    """

    noisy: Source
    clean: Source

    def __post_init__(self) -> None:
        if isinstance(self.noisy, Path) and isinstance(self.clean, Path):
            _check_folders(self.noisy, self.clean)
        elif isinstance(self.noisy, Path) or isinstance(self.clean, Path):
            raise InputError(
                "One side is a layer and the other a folder; choose two layers or two "
                "folders."
            )
        else:
            _check_layers(self.noisy, self.clean)

    @property
    def degradation(self) -> str:
        """What the model will say that it was trained to undo."""
        return "That between the noisy and the clean images it was trained on."

    def prepare(self, run: Path) -> Sections:
        """Write layers into the run's folder; give the recipe's sections."""
        sides = (self.noisy, self.clean)
        layers = [side for side in sides if isinstance(side, LayerImage)]
        if not layers:
            folders = [side for side in sides if isinstance(side, Path)]
            layers = _single_planes(folders)
            if not layers:
                root, patterns = patterns_below(folders)
                axes = guessed_axes(images_in(folders[0])[0])
                return sections(root, _paired(patterns[0], patterns[1], axes))
        pair = dict(zip(("noisy", "clean"), layers, strict=True))
        images = _paired("noisy*.tif", "clean*.tif")
        return sections(run / IMAGES, images, held_back=write_images(run, pair))

    def crops(self) -> Crops:
        """Give a noisy and a clean crop of the same place."""
        return pair_crops(self.noisy, self.clean)


def _paired(noisy: str, clean: str, axes: str | None = None) -> Sections:
    return {"kind": "paired", "noisy": noisy, "clean": clean, "axes": axes}


def _single_planes(folders: Sequence[Path]) -> list[LayerImage]:
    """Read a noisy and a clean plane if the folders hold no more, else give nothing."""
    from diffir_training.images import partners_by_name

    root, patterns = patterns_below(folders)
    if len(partners_by_name(root, *patterns)) > 1:
        return []
    found = [plane for folder in folders if (plane := single_plane(folder))]
    if len(found) < 2:
        return []
    _check_layers(*found)
    return found


def _check_folders(noisy: Path, clean: Path) -> None:
    for folder in (noisy, clean):
        check_folder(folder)
    if noisy.resolve() == clean.resolve():
        raise InputError(
            "The noisy and the clean images are in the same folder; choose two."
        )


def _check_layers(noisy: LayerImage, clean: LayerImage) -> None:
    if noisy.data is clean.data:
        raise InputError(
            "The noisy and the clean image are the same layer; choose two layers."
        )
    if tuple(noisy.data.shape) != tuple(clean.data.shape):
        raise InputError(
            f"The noisy image has the shape {tuple(noisy.data.shape)} and the clean "
            f"one {tuple(clean.data.shape)}; choose two of the same place and shape."
        )
    if noisy.axes != clean.axes:
        raise InputError(
            f"The noisy image has the axes {noisy.axes} and the clean one {clean.axes};"
            " name the axes of both layers alike."
        )


@dataclass(frozen=True, slots=True)
class RepeatedFrames:
    """Noisy frames of the same places: a layer along T, or a folder of fields.

    Of each field, a folder has a folder of frames, or a stack along T.
    """

    source: Source

    def __post_init__(self) -> None:
        if isinstance(self.source, Path):
            check_folder(self.source)
            return
        layout = check_axes(self.source.axes, self.source.data.shape)
        if layout.size("T") < 2:
            raise InputError(
                f"The layer has the axes {layout.axes} and the shape {layout.shape}; "
                "repeated frames need two or more along an axis that is named t."
            )

    @property
    def degradation(self) -> str:
        """What the model will say that it was trained to undo."""
        return "The noise of single frames, against the mean of the others."

    def prepare(self, run: Path) -> Sections:
        """Write a layer into the run's folder; give the recipe's sections."""
        if isinstance(self.source, Path):
            root, patterns = patterns_below([self.source])
            axes = guessed_axes(fields_in(self.source)[0], FRAMES_FIRST)
            return sections(root, _repeated(patterns[0], axes))
        held_back = write_images(run, {"frames": self.source}, same_place="T")
        return sections(run / IMAGES, _repeated("frames*.tif"), held_back=held_back)

    def crops(self) -> Crops:
        """Give a crop of one frame, and the mean of the others there."""
        return frame_crops(self.source)


def _repeated(pattern: str, axes: str | None = None) -> Sections:
    return {"kind": "repeated", "pattern": pattern, "axes": axes}


def frames_in_time(image: LayerImage, *, is_guessed: bool) -> LayerImage:
    """Take the first axis as time where the layer's axes have no names."""
    if not is_guessed or not image.axes.startswith("Z"):
        return image
    return replace(image, axes="T" + image.axes[1:])


def alike_in_axes(
    noisy: LayerImage, clean: LayerImage, guessed: tuple[bool, bool]
) -> tuple[LayerImage, LayerImage]:
    """Give the layer whose axes have no names those of the other, if it has as many."""
    if guessed[0] != guessed[1] and len(noisy.axes) == len(clean.axes):
        named = clean.axes if guessed[0] else noisy.axes
        return replace(noisy, axes=named), replace(clean, axes=named)
    return noisy, clean
