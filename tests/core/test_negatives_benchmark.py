"""What `benchmarks/negatives.py` says of images with a bright background."""

from __future__ import annotations

import negatives
import numpy as np
from diffir_training.images.drawing import drawn_image

from diffir_core import load_model


def test_negatives_gain_where_the_background_is_bright() -> None:
    clean = drawn_image("filaments", 96, (4,))
    found = np.array(
        list(negatives.gains("filaments", clean, load_model("fluo-denoise")))
    )
    assert len(found) == len(negatives.PHOTONS) * (len(negatives.LOOKS) + 1)
    medians, gained = found.T
    assert gained[medians > 0.5].mean() > 0.5
    assert gained[medians < 0.3].mean() < -0.5
    lines = list(negatives.table(found))
    assert "mean gain" in lines[0]
