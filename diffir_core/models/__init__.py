"""The weights this package ships; each file carries its card."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "fluo-denoise"


def shipped_models() -> dict[str, Path]:
    """Give the files of the shipped models by name, the default first."""
    files = Path(__file__).parent.glob("*.safetensors")
    ordered = sorted(files, key=lambda file: (file.stem != DEFAULT_MODEL, file.stem))
    return {file.stem: file for file in ordered}
