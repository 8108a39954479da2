"""What the widgets say, in the number and unit that fit."""

from __future__ import annotations

import pytest

from napari_diffir._wording import duration, restored_sentence


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3.8, "4 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (9000, "2.5 h")],
)
def test_times_are_said_in_the_unit_that_suits_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_one_plane_is_one_plane_and_nothing_clipped_is_not_said() -> None:
    assert restored_sentence(1, 3.8, 0) == "Restored 1 plane in 4 s."
    assert restored_sentence(2, 3.8, 1) == "Restored 2 planes in 4 s, 1 value clipped."


def test_few_grey_levels_are_said() -> None:
    assert "only 1 grey level apart, and" in restored_sentence(1, 3.8, 0, 1)
    assert "only 12 grey levels apart" in restored_sentence(1, 3.8, 0, 12)
