"""The user's own models: a folder of weights, to which files can be added."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core._whole_files import write_whole
from diffir_core.errors import DiffIRError, InputError

if TYPE_CHECKING:
    from diffir_core.model import Model

WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt")


def own_models(folder: Path) -> list[Path]:
    """List the models of a folder by name; none if it is not there."""
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []


def add_model(file: Path, folder: Path) -> Path:
    """Check a weights file, ours or official, and add it to the folder.

    Official files are converted; no code in them is ever run. Raises `InputError` for
    what is no model that restores, or if the name is taken.
    """
    from diffir_core.checkpoint import convert, load_model

    target = folder / f"{file.stem}.safetensors"
    if target.exists():
        raise InputError(f"{target} is already there; rename the new file first.")
    model = load_model(file)
    if model.stage != 2:
        raise InputError(
            f"{file.name} is of stage {model.stage}, which restores only what it has "
            "the truth of; add the file of stage 2."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".safetensors":
        write_whole(target, file.read_bytes())
    else:
        convert(file, target)
    return target


def card_text(source: str) -> str:
    """Say in Markdown what a model is, from its card; or why it cannot be loaded."""
    from diffir_core.checkpoint import load_model

    try:
        model = load_model(source)
    except DiffIRError as error:
        return str(error)
    return "\n\n".join([*_card_parts(model), *_facts(model)])


def _card_parts(model: Model) -> list[str]:
    card = model.card
    if card is None:
        return [f"**{model.name}** has no card: what it was trained on is not known."]
    parts = [f"**{card.name or model.name}**", card.description]
    for title, text in (
        ("For", card.intended_use),
        ("Not for", card.limitations),
        ("Trained on", "; ".join(card.training_data)),
        ("Degradation", card.degradation),
        ("Licence", card.licence),
        ("Cite", card.citation),
    ):
        if text:
            parts.append(f"**{title}.** {text}")
    figures = (f"{name}: {value}" for name, value in card.figures.items())
    return [*parts, *(["**Measured.** " + "; ".join(figures)] if card.figures else [])]


def _facts(model: Model) -> list[str]:
    count, config = sum(p.numel() for p in model.network.parameters()), model.config
    scale = f", {config.scale} times as many pixels a side" if config.scale > 1 else ""
    knows = "knows" if model.statistics else "does not know"
    channels = "one channel" if config.image_channels == 1 else "colours"
    return [
        f"{count / 1e6:.2f} million weights, {channels} at a time{scale}; {knows} the "
        f"IPRs of its training; fingerprint {model.fingerprint[:12]}."
    ]
