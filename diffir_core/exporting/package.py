"""Write a package: files in a temporary folder, a zip beside its place, a rename."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from diffir_core._whole_files import whole_file
from diffir_core.card import ModelCard
from diffir_core.config import ModelConfig
from diffir_core.errors import InputError, OutputExistsError
from diffir_core.exporting import description as names
from diffir_core.exporting.documentation import documentation
from diffir_core.exporting.weights import SEED, write_weights
from diffir_core.intensity import fit_mapping
from diffir_core.model import Model
from diffir_core.samples import sample_path
from diffir_core.stacks.durability import sync_file
from diffir_core.stacks.extremes import seen

Image = NDArray[np.float32]

_COVER_PX = 3
"""Pixels of the cover per pixel of the restored sample."""


def export_model(
    model: Model, destination: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a model as a bioimage.io package; give its path.

    The file is complete or absent, never half-written.

    Raises
    ------
    CheckpointError
        If it is a stage-1 model, which needs the ground truth.
    InputError
        If the model has no card or is for inpainting, or the file cannot go there.
    OutputExistsError
        If the file is there and is not to be replaced.
    """
    destination = Path(destination)
    card = _exportable(model)
    _check(destination, model, overwrite)
    with TemporaryDirectory() as name:
        folder = Path(name)
        _write_files(folder, model, card)
        _zip(folder, destination)
    return destination


def _exportable(model: Model) -> ModelCard:
    """Give the card of a model that a package can hold."""
    if model.config.architecture == "inpainting":
        raise InputError(
            f"'{model.name}' is an inpainting model, which needs a mask beside the "
            "image, and is not exported."
        )
    if model.card is None:
        raise InputError(
            f"'{model.name}' has no card, which the package's documentation is made "
            "of; export one of the shipped models, or one that a recipe with a card "
            "trained."
        )
    return model.card


def _check(destination: Path, model: Model, overwrite: bool) -> None:
    if destination.suffix.lower() != ".zip":
        raise InputError(f"Cannot write '{destination.name}'; name it .zip.")
    if not destination.parent.is_dir():
        raise InputError(f"There is no folder {destination.parent}; create it first.")
    if destination.is_dir() or destination.resolve() == Path(model.source).resolve():
        kind = "a folder" if destination.is_dir() else "the model itself"
        raise InputError(
            f"{destination} is {kind} and is not replaced; choose another name."
        )
    if destination.exists() and not overwrite:
        raise OutputExistsError(
            f"{destination} is already there; choose another name or pass --overwrite."
        )


def _write_files(folder: Path, model: Model, card: ModelCard) -> None:
    network, raw = model.restorer, _sample(model.config)
    shown = seen(raw, fit_mapping(raw))
    example = torch.from_numpy(shown)[None]
    restored = write_weights(folder / names.WEIGHTS, network, example).numpy()
    np.save(folder / names.INPUT, raw[None])
    np.save(folder / names.OUTPUT, restored)
    _draw(folder / names.COVER, shown, restored[0])
    page = documentation(names.title(model, card), card, model.config, SEED)
    (folder / names.PAGE).write_text(page, encoding="utf-8")
    digests = {path.name: _sha256(path) for path in folder.iterdir()}
    text = yaml.safe_dump(
        names.describe(model, card, digests), sort_keys=False, allow_unicode=True
    )
    (folder / names.DESCRIPTION).write_text(text, encoding="utf-8")


def _sample(config: ModelConfig) -> Image:
    """Give a raw plane, (channels, Y, X), of a size that the network takes."""
    import tifffile

    stack = tifffile.imread(sample_path("noisy"))
    plane = stack[len(stack) // 2]
    height, width = (
        size // config.size_multiple * config.size_multiple for size in plane.shape
    )
    side = min(height, width)  # A square, so that the cover is two to one.
    return np.repeat(plane[None, :side, :side], config.in_channels, 0).astype(
        np.float32
    )


def _draw(path: Path, noisy: Image, restored: Image) -> None:
    """Draw the first channels before and after, with the same contrast."""
    from skimage.io import imsave

    factor = restored.shape[-1] // noisy.shape[-1]
    pair = np.hstack([noisy[0].repeat(factor, 0).repeat(factor, 1), restored[0]])
    shown = (np.clip(pair, 0, 1) * 255).astype(np.uint8)
    pixels = max(1, _COVER_PX // factor)
    imsave(path, shown.repeat(pixels, 0).repeat(pixels, 1), check_contrast=False)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _zip(folder: Path, destination: Path) -> None:
    """Write beside the destination, then move: a failure leaves what was there."""
    with (
        whole_file(destination) as file,
        ZipFile(file, "w", ZIP_DEFLATED) as archive,
    ):
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    sync_file(destination.parent)
