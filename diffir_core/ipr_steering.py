"""Steer an IPR, and say how unlike the training images its image is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from diffir_core.errors import InputError
from diffir_core.ipr import IPR

if TYPE_CHECKING:
    from diffir_core.ipr_statistics import IPRStatistics
    from diffir_core.model import Model


def steer(ipr: IPR, model: Model, strength: float) -> IPR:
    """Scale an IPR about the mean IPR of the model's training.

    0 is how the model restores its average image, 1 leaves the IPR as it is, more
    exaggerates what is special about this image and leaves what the model has seen.

    Raises
    ------
    InputError
        If the model was stored without statistics, or the IPR is another model's.
    """
    if strength == 1.0:
        return ipr
    if not 0 <= strength < float("inf"):
        raise InputError(f"A strength of {strength:g} is of no use; choose 0 to 4.")
    vector = _statistics(ipr, model).steered(ipr.vector, strength)
    source = f"{ipr.source or 'an IPR'} at strength {strength:g}"
    return replace(ipr, vector=vector, source=source)


def strength_warning(strength: float) -> str:
    """Warn of a strength that exaggerates; of 0 to 1, there is nothing to say."""
    if strength <= 1:
        return ""
    return (
        f"A strength of {strength:g} exaggerates beyond what the model has seen in "
        "training; compare with strength 1."
    )


def ipr_distance(ipr: IPR, model: Model) -> float:
    """Tell how unlike the model's training images an image is, by its IPR.

    About 1 is typical; above 2 the model has hardly seen its like. It is the
    Mahalanobis distance from the training IPRs, over the square root of their length.

    Raises
    ------
    InputError
        If the model was stored without statistics, or the IPR is another model's.
    """
    return _statistics(ipr, model).distance(ipr.vector)


def _statistics(ipr: IPR, model: Model) -> IPRStatistics:
    if ipr.model != model.fingerprint:
        raise InputError(
            f"The IPR belongs to another model than '{model.name}'; extract it anew."
        )
    if model.statistics is None:
        raise InputError(
            f"'{model.name}' was stored without statistics of its IPRs; models trained "
            "with this version have them."
        )
    return model.statistics
