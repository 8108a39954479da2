"""A restoration as a file: what, with which model and options, to where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import yaml

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.axes import StackLayout


class RestoreJob(FrozenConfig):
    """A job; the same file runs in the shell, in napari and on a cluster."""

    format: Literal["diffir-job/1"] = "diffir-job/1"
    input: str
    """A file or folder; relative paths start at the folder of the job's file."""
    output: str
    """An .ome.zarr or .ome.tif."""
    model: str
    """A shipped model's name, or a weights file."""
    model_fingerprint: str | None = None
    """If given, no other weights are taken."""
    axes: str | None = None
    """One letter a dimension of the input; None is what the input says."""
    options: RestoreOptions = RestoreOptions()

    def check_model(self, model: Model) -> None:
        """Refuse other weights than those the job was made with."""
        check_fingerprint(model, self.model_fingerprint)

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Let the path of an IPR start at the folder of the job's file."""
        options = values.get("options")
        if not isinstance(options, dict):
            return values
        return values | {"options": RestoreOptions.in_folder(options, folder)}

    @classmethod
    def load(cls, path: Path) -> RestoreJob:
        """Read a job, with its paths made absolute."""
        job, folder = cls.from_yaml(path), path.resolve().parent
        places = {"input": job.input, "output": job.output}
        if (folder / job.model).is_file():
            places["model"] = job.model
        return job.replace(
            **{key: os.path.normpath(folder / p) for key, p in places.items()}
        )


def check_fingerprint(model: Model, expected: str | None) -> None:
    """Refuse other weights than those that a job was made with; None is any."""
    if expected not in (None, model.fingerprint):
        raise InputError(
            f"The job was made with weights {str(expected)[:8]}…, '{model.name}' has "
            f"{model.fingerprint[:8]}…; restore the old file or remove "
            "model_fingerprint from the job."
        )


def is_job(path: Path) -> bool:
    """Tell a job's file from one of options alone."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(values, dict) and "input" in values


def is_foreign(path: Path, output: Path, *, may_have_moved: bool = False) -> bool:
    """Tell whether something is there that is no job of this output.

    A job holds the place that its output had at first. If that `may_have_moved`, or
    been renamed, with its job, whatever a run has written is one, and so is the empty
    file that a disk may leave of it.
    """
    if not path.exists() or (may_have_moved and _is_of_a_run(path)):
        return False
    try:
        theirs = Path(RestoreJob.load(path).output)
    except InputError:
        return True
    if may_have_moved:
        return theirs.name != output.name
    return _settled(theirs) != _settled(output)


def _is_of_a_run(path: Path) -> bool:
    """Tell what runs write, which say their format, also that of later versions."""
    if not path.is_file():
        return False
    start = path.read_bytes()[:200].lstrip()
    return not start or start.startswith(b"format: diffir-job/")


def _settled(output: Path) -> Path:
    """Give the absolute path; a link in its place would be replaced, not followed."""
    return output.parent.resolve() / output.name


def says_the_same(path: Path, job: Path) -> bool:
    """Tell whether a person's job is the one that was done, in other words."""
    try:
        theirs, done = RestoreJob.load(path), RestoreJob.load(job)
    except InputError:
        return False
    filled = {"axes": done.axes, "model_fingerprint": done.model_fingerprint}
    known = {key: value for key, value in filled.items() if not getattr(theirs, key)}
    return theirs.replace(**known) == done


def job_of(
    source: str,
    destination: Path,
    model: Model,
    layout: StackLayout,
    options: RestoreOptions,
) -> RestoreJob:
    """Give the job of a run; `source` is an absolute path, or the name of an array."""
    return RestoreJob(
        input=source,
        output=str(_settled(destination)),
        model=model.source or model.name,
        model_fingerprint=model.fingerprint,
        axes=layout.axes,
        options=options,
    )
