"""What can be drawn: refusals that say what to choose in its place."""

from __future__ import annotations

from numbers import Integral
from typing import Any, get_args

from diffir_core.errors import InputError
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.stacks.drawing import SampleKind


def whole_number(value: Any, name: str) -> int:
    """Take any kind of whole number, such as numpy's."""
    if not isinstance(value, Integral):
        raise InputError(f"{name} is {value!r}; choose a whole number.")
    return int(value)


def check_drawing(
    model: Model, samples: int, seed: int, kind: str, options: RestoreOptions
) -> None:
    """Refuse samples that this model, or these options, cannot give."""
    if kind not in get_args(SampleKind):
        raise InputError(
            f"kind is '{kind}'; it must be one of {', '.join(get_args(SampleKind))}."
        )
    if model.config.fills_holes:
        raise InputError(
            f"'{model.name}' fills in what is missing, and samples are of what was "
            "recorded; choose a model that restores."
        )
    most = 8 if kind == "symmetries" else 1000
    if not 2 <= samples <= most:
        raise InputError(f"samples is {samples}; choose 2 to {most} for '{kind}'.")
    if seed < 0:
        raise InputError(f"seed is {seed}; choose 0 or more.")
    _refuse_unused(options)
    if kind == "seeds" and options.ipr is not None:
        raise InputError(
            "The IPR is given, and no start noise decides anything any more; choose "
            "another kind, such as 'noise'."
        )
    statistics = model.statistics
    if kind == "ipr" and (statistics is None or statistics.error_covariance is None):
        raise InputError(
            f"'{model.name}' was stored without the errors of its IPRs; choose another "
            "kind, such as 'noise', or a model trained with this version."
        )
    if kind == "noise" and model.config.scale != 1:
        raise InputError(
            f"'{model.name}' enlarges images, whose noise cannot be read off the "
            "result; choose kind 'symmetries'."
        )


def _refuse_unused(options: RestoreOptions) -> None:
    """Refuse what would be ignored."""
    usual = RestoreOptions(output_dtype="float32")
    if options.output_dtype is None:
        options = options.replace(output_dtype="float32")
    for name in ("ipr_scope", "attention_scope", "channels", "output_dtype"):
        value = getattr(options, name)
        if value != getattr(usual, name):
            raise InputError(
                f"{name} is {value!r}, which samples know nothing of: each plane is "
                "restored on its own, all channels, to float32; leave it out."
            )
