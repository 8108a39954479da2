"""What a run learns from: any kind of images, and clean ones, of layers or folders.

Layers are written into the run's folder; folders stay where they are, but for an image
of a single plane, of which a part must be held back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from napari_diffir._camera import CameraChoice
from napari_diffir._crops import Crops, clean_crop
from napari_diffir._image_folders import (
    guessed_axes,
    images_in,
    patterns_below,
    single_plane,
)
from napari_diffir._layer_files import IMAGES, LayerImage, write_images
from napari_diffir._scripting import Failure

Sections = dict[str, Any]
Source = LayerImage | Path
"""An array, or a folder of images."""


class TrainingImages(Protocol):
    """What a run learns from."""

    @property
    def degradation(self) -> str:
        """What the model will say that it was trained to undo."""

    def prepare(self, run: Path) -> Sections:
        """Write what the run must keep; give the recipe's sections about data.

        These are `data` and `noise`, and `validation` where it matters what is held
        back.
        """

    def crops(self) -> Crops:
        """Give a clean crop, or a noisy and a clean one, for a look at them."""


@dataclass(frozen=True, slots=True)
class CleanImages:
    """Clean images, seen by simulated cameras."""

    source: Source
    camera: CameraChoice = field(default_factory=CameraChoice)

    @property
    def degradation(self) -> str:
        """What the model will say that it was trained to undo."""
        return "Simulated cameras; the ranges are in recipe.yaml."

    def prepare(self, run: Path) -> Sections:
        """Write a layer into the run's folder; give the recipe's sections."""
        noise = self.camera.ranges()
        source = self.source
        if isinstance(source, Path):
            source = single_plane(source) or source
        if isinstance(source, Path):
            root, patterns = patterns_below([source])
            axes = guessed_axes(images_in(source)[0])
            return sections(root, _clean(patterns[0], axes), noise)
        held_back = write_images(run, {"clean": source})
        return sections(run / IMAGES, _clean("clean*.tif"), noise, held_back)

    def crops(self) -> Crops:
        """Give a clean crop."""
        return clean_crop(self.source)


def _clean(pattern: str, axes: str | None = None) -> Sections:
    return {"kind": "clean", "sources": [{"pattern": pattern, "axes": axes}]}


def sections(
    folder: Path,
    images: Sections,
    noise: Sections | None = None,
    held_back: str | None = None,
) -> Sections:
    """Give the sections of a recipe about its data.

    Parameters
    ----------
    folder, images
        What to learn from, below which folder.
    noise
        What spoils clean images; None for others.
    held_back
        Pattern of the files for validation; None leaves it to a fraction of them.
    """
    about: Sections = {
        "data": {"folder": folder.resolve(), "images": images},
        "noise": noise,
    }
    if held_back is not None:
        about["validation"] = {"held_back_files": held_back}
    return about


def crops_or_failure(images: TrainingImages) -> Crops | Failure:
    """Give crops for a look; for a worker: an error is returned, not raised."""
    try:
        return images.crops()
    except Exception as error:
        return Failure(error)
