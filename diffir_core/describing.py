"""Say in words what a file is: a model, an IPR, options, a recipe, or an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from diffir_core._yaml import read_yaml
from diffir_core.errors import AxesNotSaidError, CheckpointError, InputError
from diffir_core.models import shipped_models

if TYPE_CHECKING:
    from diffir_core.stacks.source import StackSource

_MODELS = (".safetensors", ".pth", ".pt", ".ckpt")
_RECIPE = {"name", "model", "data", "stages"}
"""What every recipe of a training says, and no options do."""
_UNSAID = "ABDEFGYX"
"""Letters without a meaning, for the axes of images that do not say theirs."""


def describe(path: Path) -> str:
    """Describe a file, or a shipped model given by its name, in a few lines."""
    if not path.name:  # The folder that one is in.
        path = path.resolve()
    if not path.is_file():  # A folder of a model's name is no model, as in load_model.
        path = shipped_models().get(str(path), path)
    if unfinished := _unfinished(path):
        return _lines(unfinished)
    if not path.exists():
        raise InputError(f"There is no file {path}; check its name.")
    if _is_model(path):
        return _lines(_model(path))
    if path.suffix.lower() == ".json" and path.is_file():
        return describe_ipr(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _settings(path)
    return _lines(_image(path))


def describe_ipr(path: Path) -> str:
    """Describe the file of an IPR; another is refused."""
    return _lines(_ipr(path))


def _unfinished(path: Path) -> dict[str, Any] | None:
    """Describe an unfinished output, by its folder or by its future name."""
    from diffir_core.stacks.unfinished import SUFFIX, described

    if path.exists() and not path.name.endswith(SUFFIX):
        return None
    return described(path)


def _is_model(path: Path) -> bool:
    """Tell a weights file by its ending or, if it has none, by its first bytes."""
    if path.suffix or not path.is_file():
        return path.suffix.lower() in _MODELS
    with path.open("rb") as file:
        start = file.read(9)
    # Safetensors begin with 8 bytes of length; the official files are zips or pickles.
    return start[8:] == b"{" or start.startswith((b"PK", b"\x80"))


def _settings(path: Path) -> str:
    """Describe a job or options, which are validated, or a recipe, as it is."""
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.jobs import RestoreJob, is_job

    values = read_yaml(path)
    if isinstance(values, dict) and values.keys() >= _RECIPE:
        return _lines({"kind": "recipe of a training", **values})
    kind = RestoreJob if is_job(path) else RestoreOptions
    return kind.from_yaml(path).to_yaml()


def _lines(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _model(path: Path) -> dict[str, Any]:
    from diffir_core.checkpoint import load_model

    model = load_model(path)
    parameters = sum(p.numel() for p in model.network.parameters())
    card = model.card.model_dump(mode="json") if model.card else None
    return {
        "kind": "model",
        "stage": model.stage,
        "parameters": parameters,
        "fingerprint": model.fingerprint,
        "config": model.config.model_dump(mode="json"),
        "card": card,
    }


def _ipr(path: Path) -> dict[str, Any]:
    from diffir_core.ipr import IPR

    ipr = IPR.load(path)
    return {
        "kind": "IPR",
        "length": len(ipr.vector),
        "model": ipr.model,
        "seed": ipr.seed,
        "source": ipr.source,
    }


def _image(path: Path) -> dict[str, Any]:
    from diffir_core.stacks.provenance import provenance

    _check_folder(path)
    source, says_axes = _opened(path)
    metadata = source.metadata
    described = {
        "kind": "image",
        "axes": source.layout.axes if says_axes else "not said",
        "shape": list(source.shape),
        "type": str(source.dtype),
        "pixel_size": metadata.pixel_size,
        "units": metadata.units,
        "channels": list(metadata.channel_names),
        "restored_by": provenance(path) if _is_one_image(path) else None,
    }
    source.close()
    return described


def _opened(path: Path) -> tuple[StackSource, bool]:
    """Open an image, and tell whether it says its axes: they need not be known here."""
    from diffir_core.stacks.source import open_source

    try:
        return open_source(path), True
    except CheckpointError as error:
        raise InputError(str(error)) from error
    except AxesNotSaidError as error:
        return open_source(path, _UNSAID[-error.count :]), False


def _is_one_image(path: Path) -> bool:
    """Tell a file, or a Zarr, from a folder of files."""
    from diffir_core.stacks.destination import is_zarr

    return not path.is_dir() or is_zarr(path)


def _check_folder(path: Path) -> None:
    """Refuse a folder that is no image, as that of a training, which has models."""
    from diffir_core.stacks.source import is_folder

    if _is_one_image(path) or is_folder(path):
        return
    model = max(path.glob("*.safetensors"), default=None)
    hint = f", such as {model}" if model else ""
    raise InputError(f"{path} is a folder and no image; name a file in it{hint}.")
