"""What is refused before a model is made ready: what is not for it."""

from __future__ import annotations

import numpy as np
import torch

from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.model import Model
from diffir_core.options import RestoreOptions
from diffir_core.settled import Settled


def check_options(options: RestoreOptions, model: Model, settled: Settled) -> None:
    """Refuse options that the model cannot follow."""
    config, name = model.config, model.name
    if options.steps is not None and options.steps > config.timesteps:
        raise InputError(
            f"'{name}' was trained with {config.timesteps} reverse steps, not "
            f"{options.steps}; choose fewer or leave steps out."
        )
    if options.strength != 1.0 and model.statistics is None:
        raise InputError(
            f"'{name}' was stored without statistics of its IPRs, so that only "
            f"strength 1 is defined, not {options.strength:g}."
        )
    if config.fills_holes and (
        settled.keeps_local_mean or settled.keeps_fine_structure
    ):
        raise InputError(
            f"'{name}' keeps all that was recorded, and fills in the rest; leave "
            "keep_local_mean and keep_fine_structure out."
        )
    if settled.keeps_fine_structure and config.scale != 1:
        raise InputError(
            f"'{name}' gives images {config.scale} times as large; fine structure "
            "is given back at the same size only. Leave keep_fine_structure out."
        )
    if options.ipr is not None:
        check_ipr(options.ipr, model)


def check_weights(model: Model) -> None:
    """Refuse weights that somebody converted: buffers and C code are float32."""
    for name, parameter in model.network.named_parameters():
        if parameter.dtype != torch.float32:
            raise InputError(
                f"'{name}' of the model '{model.name}' has become {parameter.dtype}, "
                "and torch.float32 is what restores; call model.network.float(), or "
                "load the model anew."
            )


def check_ipr(ipr: IPR, model: Model) -> None:
    """Refuse an IPR that the model cannot read."""
    if ipr.model != model.fingerprint:
        raise InputError(
            f"The IPR belongs to another model (fingerprint {ipr.model[:8]}…, this one "
            f"is {model.fingerprint[:8]}…); choose that model, or extract the IPR anew."
        )
    length = model.config.ipr_length
    if ipr.vector.shape != (length,) or not np.isfinite(ipr.vector).all():
        raise InputError(
            f"The IPR must be {length} finite numbers, not {ipr.vector.size}, or not "
            "finite; extract it anew."
        )
