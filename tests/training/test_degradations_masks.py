"""Masks have the shapes, sizes and coverage of their ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diffir_training.degradations import Inpainting, SensorDefects
from diffir_training.degradations.masks import (
    BoxRanges,
    LineRanges,
    SpotRanges,
    StrokeRanges,
    _paint,
    box_mask,
    dead_line_mask,
    spot_mask,
    stroke_mask,
)
from scipy import ndimage

from diffir_core.errors import InputError

RNG = np.random.default_rng


def test_a_segment_has_the_area_of_a_brush_with_round_ends() -> None:
    mask = np.zeros((200, 200), np.bool_)
    start, end, radius = np.array([60.0, 50.0]), np.array([120.0, 130.0]), 12.5
    _paint(mask, start, end, radius)
    assert mask.sum() == pytest.approx(2 * radius * 100 + math.pi * radius**2, rel=0.01)
    middle = np.array(ndimage.center_of_mass(mask))
    assert middle == pytest.approx((start + end) / 2, abs=0.1)


def test_a_stroke_is_connected_and_thicker_than_its_thinnest_brush() -> None:
    for seed in range(60):
        mask = stroke_mask(256, 256, RNG(seed), StrokeRanges(count=(1, 1)))
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert 15 <= mask.sum() < mask.size  # Even in a corner.
        few = stroke_mask(256, 256, RNG(seed), StrokeRanges(count=(2, 5)))
        assert 1 <= ndimage.label(few, np.ones((3, 3)))[1] <= 5


def test_a_stroke_is_as_wide_as_its_brush() -> None:
    # All brushes are 5 pixels wide, and all segments go the same way, nearly straight.
    ranges = StrokeRanges(count=(1, 1), max_width=1, max_angle=1)
    masks = [stroke_mask(256, 256, RNG(seed), ranges) for seed in range(40)]
    depths = [ndimage.distance_transform_edt(mask).max() for mask in masks]
    # To the middle of the first pixel outside; more where a border cuts the stroke.
    assert np.median(depths) == 3
    assert max(depths) <= 4


def test_strokes_cover_part_of_the_image_and_thin_ones_less() -> None:
    def coverage(ranges: StrokeRanges) -> float:
        masks = [stroke_mask(256, 256, RNG(seed), ranges) for seed in range(60)]
        return float(np.median([mask.mean() for mask in masks]))

    thick, thin = StrokeRanges(), StrokeRanges(max_length=60, max_width=10)
    assert 0.2 < coverage(thick) < 0.8
    assert 0 < coverage(thin) < 0.3 * coverage(thick)


def test_a_box_is_full_keeps_the_margin_and_has_the_expected_area() -> None:
    areas = []
    for seed in range(600):
        mask = box_mask(256, 300, RNG(seed), BoxRanges(count=(1, 1)))
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert np.array_equal(mask, np.outer(rows, columns))
        for line in (rows, columns):
            assert 30 <= line.sum() <= 150
            assert ndimage.label(line)[1] == 1
            assert not line[:10].any()
            assert not line[-10:].any()
        areas.append(mask.sum())
    # Sides are drawn apart and uniformly from 30 to 150: 90 on average.
    assert np.mean(areas) == pytest.approx(90**2, rel=4 * 0.57 / math.sqrt(600))


def test_boxes_shrink_with_the_image_until_there_is_no_room() -> None:
    mask = box_mask(40, 40, RNG(1), BoxRanges(count=(1, 1)))
    assert mask[10:30, 10:30].all()
    assert mask.sum() == 400
    with pytest.raises(InputError, match="20 pixels"):
        box_mask(20, 40, RNG(1), BoxRanges())


def test_dead_lines_run_from_border_to_border() -> None:
    ranges = LineRanges(count=(2, 2), width=(3, 3))
    total = np.zeros(2)
    for seed in range(200):
        mask = dead_line_mask(64, 80, RNG(seed), ranges)
        rows, columns = mask.all(axis=1), mask.all(axis=0)
        assert np.array_equal(mask, rows[:, None] | columns[None])
        assert 3 <= rows.sum() + columns.sum() <= 6
        total += rows.any(), columns.any()
    assert total / 200 == pytest.approx(0.75, abs=0.13)  # Either way is as likely.


def test_spots_are_disks_of_the_radius() -> None:
    ranges = SpotRanges(count=(1, 1), radius=(6, 6))
    whole = []
    for seed in range(200):
        mask = spot_mask(64, 64, RNG(seed), ranges)
        touches = mask[[0, -1]].any() or mask[:, [0, -1]].any()
        if not touches:
            whole.append(mask.sum())
            assert mask.any(axis=0).sum() <= 13
    assert np.mean(whole) == pytest.approx(math.pi * 36, rel=0.01)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_inpainting_gives_the_known_image_and_the_mask(probability: float) -> None:
    image = (1 + RNG(2).random((3, 96, 96))).astype(np.float32)
    pair = Inpainting(stroke_probability=probability).apply(image, RNG(3))
    assert pair.noisy.shape == (4, 96, 96)
    mask = pair.noisy[3]
    assert set(np.unique(mask)) == {0, 1}
    assert np.array_equal(pair.noisy[:3], image * (1 - mask))
    assert np.array_equal(pair.clean, image)


def test_sensor_defects_give_one_channel_and_its_mask() -> None:
    image = np.ones((1, 64, 64), np.float32)
    lines, spots = LineRanges(count=(1, 1)), SpotRanges(count=(2, 2))
    pair = SensorDefects(lines=lines, spots=spots).apply(image, RNG(4))
    known, mask = pair.noisy
    assert np.array_equal(known, 1 - mask)
    assert 64 < mask.sum() < 2 * 64 + 2 * math.pi * 9**2
