"""The weights this package ships; each file carries its card."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "fluo-denoise"


def shipped_models() -> dict[str, Path]:
    """Give the files of the shipped models, by name."""
    files = sorted(Path(__file__).parent.glob("*.safetensors"))
    return {file.stem: file for file in files}
