"""Say in words what a file is: a model, an IPR, options, or an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from diffir_core.errors import CheckpointError, InputError
from diffir_core.models import shipped_models

_MODELS = (".safetensors", ".pth", ".pt", ".ckpt")


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
    if path.suffix.lower() in _MODELS:
        return _lines(_model(path))
    if path.suffix.lower() == ".json" and path.is_file():
        return _lines(_ipr(path))
    if path.suffix.lower() in (".yaml", ".yml"):
        return _settings(path)
    return _lines(_image(path))


def _unfinished(path: Path) -> dict[str, Any] | None:
    """Describe an unfinished output, by its folder or by its future name."""
    from diffir_core.stacks.unfinished import SUFFIX, described

    if path.exists() and not path.name.endswith(SUFFIX):
        return None
    return described(path)


def _settings(path: Path) -> str:
    """Describe a job or options; both are validated."""
    from diffir_core.options import RestoreOptions
    from diffir_core.stacks.jobs import RestoreJob, is_job

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
    from diffir_core.stacks.source import open_source

    try:
        source = open_source(path)
    except CheckpointError as error:
        raise InputError(str(error)) from error
    metadata = source.metadata
    described = {
        "kind": "image",
        "axes": source.layout.axes,
        "shape": list(source.shape),
        "type": str(source.dtype),
        "pixel_size": metadata.pixel_size,
        "units": metadata.units,
        "channels": list(metadata.channel_names),
        "restored_by": provenance(path),
    }
    source.close()
    return described
