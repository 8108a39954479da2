"""A job as a command of the shell and as Python: to copy, keep and run elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from diffir_core.options import RestoreOptions
from diffir_core.stacks.jobs import RestoreJob


def as_command(job: RestoreJob) -> str:
    """Give the command that does a job; options at their default are left out."""
    words = ["diffir", "restore", job.input, job.output, "--model", job.model]
    if job.axes:
        words += ["--axes", job.axes]
    options, default = _plain(job.options), _plain(RestoreOptions())
    for key, value in _assignments(options, default):
        words += ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join(words)


def as_python(job: RestoreJob) -> str:
    """Give the script that does a job."""
    changes, lines = changes_of(job.options), ["import diffir_core as diffir", ""]
    lines.append(f"model = diffir.load_model({job.model!r})")
    arguments = [repr(job.input), repr(job.output), "model"]
    if job.axes:
        arguments.append(f"axes={job.axes!r}")
    if changes:
        lines.append(f"options = diffir.RestoreOptions.parse({changes!r})")
        arguments.append("options=options")
    body = "".join(f"    {argument},\n" for argument in arguments)
    return "\n".join([*lines, f"report = diffir.restore_file(\n{body})\n"])


def changes_of(options: RestoreOptions) -> dict[str, Any]:
    """Give the options that are not at their default, as plain values."""
    return _differences(_plain(options), _plain(RestoreOptions()))


def _plain(options: RestoreOptions) -> dict[str, Any]:
    return options.model_dump(mode="json")


def _differences(values: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        known = default[key]
        if isinstance(value, dict) and isinstance(known, dict):
            if inner := _differences(value, known):
                found[key] = inner
        elif value != known:
            found[key] = value
    return found


def _assignments(
    values: dict[str, Any], default: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for key, value in _differences(values, default).items():
        if isinstance(default[key], dict):
            yield from _assignments(value, default[key], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
