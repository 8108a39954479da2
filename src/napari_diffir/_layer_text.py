"""The restoration of a layer as text: a script for napari, a command for its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from diffir_core.options import RestoreOptions
from diffir_core.stacks.folders import result_name
from diffir_core.stacks.job_text import as_command, changes_of
from diffir_core.stacks.jobs import RestoreJob
from napari_diffir._opening import SOURCE_KEY
from napari_diffir._stack_inputs import file_of

if TYPE_CHECKING:
    from napari.layers import Image


def layer_python(layer: Image, axes: str, model: str, options: RestoreOptions) -> str:
    """Give the script that does in a viewer what the Restore widget does."""
    lines = ["import diffir_core as diffir", "import napari_diffir", ""]
    arguments = ["viewer", f"viewer.layers[{layer.name!r}]", f"model={model!r}"]
    if changes := changes_of(_short(options)):
        lines.append(f"options = diffir.RestoreOptions.parse({changes!r})")
        arguments.append("options=options")
    else:
        lines.pop(0)
    body = "".join(f"    {a},\n" for a in [*arguments, f"axes={axes!r}"])
    return "\n".join([*lines, f"restored = napari_diffir.restore_layer(\n{body})\n"])


def saved_file(layer: Image, otherwise: str = "") -> Path:
    """Give the file of a layer, or refuse: a job of it is to run elsewhere, too.

    Parameters
    ----------
    layer
        The layer.
    otherwise
        What can be done without a file, such as "or copy as Python".

    Raises
    ------
    InputError
        If the layer is of no file.
    """
    path = file_of(layer)
    if path is None and SOURCE_KEY not in layer.metadata:
        path = Path(layer.source.path or "")
    if path is None or not path.name:  # Or its pixels were replaced.
        wise = ", ".join(filter(None, ["save it first", otherwise]))
        raise InputError(f"The layer '{layer.name}' is of no file; {wise}.")
    return path


def layer_job(
    layer: Image, axes: str, model: str, options: RestoreOptions
) -> RestoreJob:
    """Give the job that restores the file of a layer into one beside it.

    Raises
    ------
    InputError
        If the layer is of no file.
    """
    path = saved_file(layer, "or copy as Python")
    return RestoreJob(
        input=str(path),
        output=str(path.with_name(f"restored {result_name(path)}")),
        model=model,
        axes=axes,
        options=_short(options),
    )


def layer_command(layer: Image, axes: str, model: str, options: RestoreOptions) -> str:
    """Give the command that restores the file of a layer into one beside it."""
    return as_command(layer_job(layer, axes, model, options))


def _short(options: RestoreOptions) -> RestoreOptions:
    """Leave out the chain of an IPR, which nothing is restored by."""
    if options.ipr is None:
        return options
    return options.replace(ipr=replace(options.ipr, chain=None))
