"""What a user prefers, from napari's preferences; the same for every widget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diffir_core.errors import DiffIRError
from diffir_core.options import RestoreOptions
from napari_diffir._typed_paths import typed_path

_PLUGIN = "napari-diffir"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Defaults of the widgets; scripts and the command line have their own."""

    device: str = "auto"
    memory: str = ""
    """Such as '4GB'; empty is what is free."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    model_folder: str = ""
    output_folder: str = ""

    @property
    def options(self) -> RestoreOptions:
        """The options that widgets begin with; a memory that is no size is left out."""
        values = {"device": self.device, "precision": self.precision}
        try:
            return RestoreOptions.parse(values | {"memory": self.memory or None})
        except DiffIRError:
            return RestoreOptions.parse(values)

    @property
    def models(self) -> Path:
        """The folder of the user's own models; it may not be there yet."""
        return _place(self.model_folder, "~/diffir-models")

    @property
    def outputs(self) -> Path:
        """The folder for outputs that have no better place."""
        return _place(self.output_folder, "~")


def _place(text: str, default: str) -> Path:
    """Give the folder that was typed; what names no place is left out."""
    try:
        return typed_path(text.strip() or default)
    except DiffIRError:
        return Path(default).expanduser()


def preferences() -> Preferences:
    """Read the preferences as they are now."""
    try:
        from napari.settings import get_plugin_settings

        saved: Any = get_plugin_settings(_PLUGIN)
        restoring, folders = saved.restoring, saved.folders
    except (ImportError, KeyError, AttributeError):  # An older napari has none.
        return Preferences()
    return Preferences(
        restoring.device,
        restoring.memory,
        restoring.precision,
        folders.models,
        folders.outputs,
    )
