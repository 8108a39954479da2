"""What `benchmarks/grey_levels.py` says of rounding."""

from __future__ import annotations

import grey_levels
import numpy as np
from diffir_training.images.drawing import drawn_image

from diffir_core import load_model


def test_rounding_costs_the_more_the_fewer_levels_there_are() -> None:
    clean = drawn_image("filaments", 96, (4,))
    found = grey_levels.scores("filaments", clean, load_model("fluo-denoise"))
    noisy, as_input, as_float = found.T
    lost = as_float - as_input
    assert (as_float > noisy + 3).all()
    assert lost[0] < 0.2  # 120 levels to the brightest.
    assert lost[-1] > 1.5  # 7.5 of them.
    assert (np.diff(lost) > -0.05).all()
    lines = list(grey_levels.table(found))
    assert "restored to 8 bits" in lines[0]
    assert lines[-1].startswith("| 7.5 |")
