"""Schedules are pure functions of the step, and values that survive YAML."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from diffir_training.recipe import Recipe
from diffir_training.schedules import (
    DEBLUR_SIZES,
    OFFICIAL_SCHEDULES,
    ConstantRate,
    CosineRate,
    CyclicCosineRate,
    MultiStepRate,
    ProgressiveSizes,
    Schedule,
    StaircaseRate,
)

from diffir_core._base import FrozenConfig
from diffir_core.errors import InputError


class Holder(FrozenConfig):
    """A schedule in its place in a recipe."""

    schedule: Schedule


def test_cosine_is_the_rate_of_the_trainer(recipe: Recipe) -> None:
    stage = recipe.stages[0].replace(steps=1000, warmup_steps=100)
    ours = CosineRate(
        learning_rate=stage.learning_rate,
        final_learning_rate=stage.final_learning_rate,
        steps=1000,
        warmup_steps=100,
    )
    assert all(ours.rate(i) == stage.rate_at(i) for i in range(1000))
    half = (stage.learning_rate + stage.final_learning_rate) / 2
    assert ours.rate(999 // 2) == pytest.approx(half, rel=0.01)
    other = stage.replace(rate=dict(kind="constant", learning_rate=1e-5))
    assert other.rate_at(7) == 1e-5
    assert ours.rate(5000) == pytest.approx(stage.final_learning_rate)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (ConstantRate(learning_rate=3e-4), {0: 3e-4, 10**6: 3e-4}),
        (
            MultiStepRate(learning_rate=1.0, milestones=(10, 20), gamma=0.1),
            {0: 1.0, 9: 1.0, 10: 0.1, 19: 0.1, 20: 0.01, 999: 0.01},
        ),
        (
            StaircaseRate(learning_rate=1.0, gamma=0.5, every=10),
            {0: 1.0, 9: 1.0, 10: 0.5, 20: 0.25},
        ),
        (
            StaircaseRate(learning_rate=1.0, gamma=0.5, every=10, start=100),
            {0: 1.0, 100: 1.0, 109: 1.0, 110: 0.5},
        ),
        (
            CyclicCosineRate(
                learning_rate=1.0, periods=(4, 6), final_learning_rates=(2.0, 0.5)
            ),
            {0: 1.0, 2: 1.5, 4: 2.0, 7: 0.75, 10: 0.5, 99: 0.5},
        ),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_rates_at_the_turns(schedule: Schedule, rates: dict[int, float]) -> None:
    found = {step: schedule.rate(step) for step in rates}
    assert found == pytest.approx(rates)


def test_the_official_deblur_rate_rises_jumps_back_and_falls() -> None:
    rate = OFFICIAL_SCHEDULES["deblur stage 1"].rate
    first = [rate(step) for step in range(0, 92_001, 1000)]
    second = [rate(step) for step in range(92_001, 300_001, 1000)]
    assert first == sorted(first)
    assert (first[0], first[-1]) == pytest.approx((2e-4, 2.85e-4))
    assert second == sorted(second, reverse=True)
    assert second[0] == pytest.approx(2e-4)
    assert rate(300_000) == pytest.approx(1e-6)


@pytest.mark.parametrize("name", OFFICIAL_SCHEDULES)
def test_a_schedule_survives_yaml(name: str, tmp_path: Path) -> None:
    held = Holder(schedule=OFFICIAL_SCHEDULES[name])
    path = tmp_path / "schedule.yaml"
    path.write_text(held.to_yaml())
    assert Holder.from_yaml(path) == held


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(kind="linear"), "linear"),
        (dict(kind="constant", learning_rate=0.0), "learning_rate"),
        (dict(kind="multistep", learning_rate=1, milestones=(5, 3)), "rise"),
        (
            dict(
                kind="cyclic_cosine",
                learning_rate=1,
                periods=(5, 3),
                final_learning_rates=(1,),
            ),
            "one final",
        ),
    ],
)
def test_a_wrong_schedule_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Holder.parse(dict(schedule=values))
    assert "\n" not in str(caught.value)


def test_patches_grow_while_batches_shrink() -> None:
    sizes = DEBLUR_SIZES["stage 1"]
    assert sum(sizes.iterations) == 300_000
    assert sum(DEBLUR_SIZES["stage 2"].iterations) == 400_000
    found = {step: sizes.at(step) for step in (0, 91_999, 92_000, 171_999, 172_000)}
    expected = [(192, 8), (192, 8), (256, 4), (256, 4), (320, 2)]
    assert list(found.values()) == expected
    assert sizes.at(299_999) == sizes.at(10**7) == (512, 1)
    pixels = [sizes.at(i)[0] ** 2 * sizes.at(i)[1] for i in range(0, 300_000, 1000)]
    assert max(pixels) / min(pixels) < 2  # So that memory and time stay even.


def test_sizes_of_unequal_lengths_are_refused() -> None:
    values = dict(iterations=(3, 4), patch_sizes=(8,), batch_sizes=(1, 1))
    with pytest.raises(InputError, match="pair up"):
        ProgressiveSizes.parse(values)


def test_the_mean_of_a_cosine_is_that_of_its_ends() -> None:
    schedule = CosineRate(
        learning_rate=1.0, final_learning_rate=0.2, steps=1001, warmup_steps=0
    )
    mean = math.fsum(schedule.rate(step) for step in range(1001)) / 1001
    assert mean == pytest.approx(0.6)
