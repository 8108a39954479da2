"""Judge a model on a user's own pairs: who belongs to whom, and how near it comes."""

from diffir_training.evaluation._pairing import find_partners
from diffir_training.evaluation._scoring import (
    Evaluated,
    Quality,
    evaluate_partners,
    mean_quality,
)

__all__ = [
    "Evaluated",
    "Quality",
    "evaluate_partners",
    "find_partners",
    "mean_quality",
]
