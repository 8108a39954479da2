"""What the IPR controls decide without a viewer: history, choice, views, words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffir_core as diffir
from diffir_core.errors import InputError
from diffir_core.ipr import IPR
from diffir_core.stacks.axes import PlaneIndex
from diffir_core.stacks.previewing import RegionPreview
from napari_diffir._history import History
from napari_diffir._ipr_choice import Choice
from napari_diffir._ipr_sight import on_axes, region_arguments
from napari_diffir._ipr_views import composed, unsure_mask


def ipr_of(value: float) -> IPR:
    return IPR(np.full(256, value, np.float32), "model", source=f"v{value:g}")


def test_history_goes_back_and_forth_and_forgets_what_was_undone() -> None:
    history = History(0)
    for value in (1, 2, 3):
        history.record(value)
    assert [history.undo(), history.undo(), history.redo()] == [2, 1, 2]
    history.record(9)
    assert not history.can_redo
    assert [history.undo(), history.undo(), history.undo()] == [2, 1, 0]
    assert history.undo() == 0
    assert not history.can_undo


def test_history_takes_a_drag_as_one_step() -> None:
    history = History(0.0)
    for value in (0.1, 0.2, 0.3):
        history.record(value, "strength")
    history.seal()
    for value in (0.4, 0.5):
        history.record(value, "strength")
    assert history.undo() == 0.3
    assert history.undo() == 0.0
    history.record(0.0, "strength")
    assert history.can_redo  # Nothing changed, so that nothing is forgotten.


def test_history_is_bounded() -> None:
    history = History(0, limit=5)
    for value in range(1, 50):
        history.record(value)
    assert [history.undo() for _ in range(9)][-1] == 45


def test_slots_blend_and_an_empty_one_does_not_count() -> None:
    a, b = ipr_of(1), ipr_of(3)
    both = Choice(use="slots", a=a, b=b, weight=0.25)
    assert np.allclose(both.blended.vector, 1.5)
    assert Choice(a=a, b=b, weight=1.0).blended is b
    assert Choice(a=a, b=b, weight=0.0).blended is a
    assert Choice(b=b, weight=0.3).blended is b
    with pytest.raises(InputError, match="empty"):
        _ = Choice(use="slots").blended


def test_a_choice_is_the_options_of_the_core() -> None:
    nobody: Any = None
    own = Choice(scope="region", region=(0, 8, 2, 9), seed=3, steps=2, strength=0.5)
    expected = diffir.RestoreOptions.parse(
        dict(ipr_scope="region", region=(0, 8, 2, 9), seed=3, steps=2, strength=0.5)
    )
    assert own.options(nobody) == expected
    a = ipr_of(1)
    given = Choice(use="slots", a=a, scope="stack").options(nobody)
    assert given.ipr is a
    assert given.ipr_scope == "plane"


def look() -> RegionPreview:
    original = np.arange(12, dtype=np.uint16).reshape(1, 2, 6)
    plane = PlaneIndex("ZYX", (3, slice(None), slice(None)), None)
    region = (0, 2, 0, 6)
    return RegionPreview(plane, region, "exact", original, original + 100, None)


def test_views_compare_a_region_with_its_restoration() -> None:
    one = look()
    assert np.array_equal(composed(one, "restored", 0.5), one.restored)
    assert composed(one, "swipe", 0.5)[0, 0].tolist() == [0, 1, 2, 103, 104, 105]
    assert composed(one, "swipe", 0.0)[0, 0, 0] == 100
    assert composed(one, "swipe", 1.0)[0, 0, -1] == 5
    assert composed(one, "beside", 0.5)[0, 0].tolist() == [1, 2, 3, 101, 102, 103]
    difference = composed(one, "difference", 0.5)
    assert difference.dtype == np.float32
    assert (difference == 100).all()


def test_views_repeat_pixels_that_the_model_enlarges() -> None:
    one = look()
    restored = one.restored.repeat(2, 1).repeat(2, 2)
    large = RegionPreview(one.plane, one.region, "exact", one.original, restored, None)
    assert composed(large, "swipe", 0.5).shape == (1, 4, 12)
    assert (composed(large, "difference", 0.5) == 100).all()


def test_regions_get_the_axes_of_their_image() -> None:
    assert on_axes(look().original, look().plane).shape == (1, 2, 6)
    turned = PlaneIndex("XTY", (slice(None), 1, slice(None)), None)
    placed = on_axes(look().original, turned)
    assert placed.shape == (6, 1, 2)
    assert np.array_equal(placed[:, 0, :].T, look().original[0])


def test_the_mask_marks_the_least_sure_share() -> None:
    deviation = np.random.default_rng(0).random((1, 20, 30)).astype(np.float32)
    marks = unsure_mask(deviation, 0.1)
    assert marks.sum() == 60
    assert deviation[marks == 1].min() > deviation[marks == 0].max()
    assert unsure_mask(deviation, 0.0).sum() == 0


def test_a_choice_is_found_again_in_its_options(tiny_model: Path) -> None:
    model = diffir.load_model(tiny_model)
    own = Choice(scope="region", region=(0, 8, 2, 9), seed=3, steps=2)
    assert Choice().taking(own.options(model)) == own
    slots = Choice(use="slots", b=ipr_of(2), weight=1.0)
    taken = Choice().taking(slots.options(model))
    assert (taken.use, taken.a, taken.weight) == ("slots", slots.b, 0.0)


def test_a_region_lies_where_it_was_cut_out_of_a_turned_layer() -> None:
    from napari.layers import Image

    affine = np.diag([1.0, 2.0, 1.0, 1.0])
    affine[:3, 3] = 5.0, -3.0, 1.0
    turned = np.eye(3)
    turned[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    source = Image(
        np.zeros((5, 20, 30), np.uint8),
        scale=(3.0, 0.5, 0.7),
        translate=(1.0, 2.0, 3.0),
        rotate=turned,
        shear=(0.0, 0.0, 0.3),
        affine=affine,
    )
    plane = PlaneIndex("ZYX", (4, slice(None), slice(None)), None)
    for scale in (1, 2):
        arguments = region_arguments(source, plane, (6, 16, 9, 19), scale)
        part = Image(np.zeros((1, 10 * scale, 10 * scale), np.uint8), **arguments)
        first = (scale - 1) / 2  # Whose centre is that of the pixel it was made of.
        here = part.data_to_world((0, first, first))
        assert np.allclose(here, source.data_to_world((4, 6, 9)))


def test_a_region_is_refined_along_y_and_x_wherever_they_stand() -> None:
    from napari.layers import Image

    source = Image(np.zeros((20, 30, 5), np.uint8), rgb=False, scale=(0.5, 0.5, 2.0))
    plane = PlaneIndex("YXZ", (slice(None), slice(None), 4), None)
    arguments = region_arguments(source, plane, (6, 16, 9, 19), 2)
    part = Image(np.zeros((20, 20, 1), np.uint8), **arguments)
    assert part.scale.tolist() == [0.25, 0.25, 2.0]
    here = part.data_to_world((0.5, 0.5, 0))
    assert np.allclose(here, source.data_to_world((6, 9, 4)))


@pytest.mark.parametrize(
    ("explained", "words"),
    [
        ((0.0, 0.0), "The planes do not differ."),
        ((0.997, 0.003), "The planes differ in one way, from left to right."),
        ((0.8, 0.15), "Of the differences, 80 % are across, 15 % up and down."),
    ],
)
def test_the_map_says_what_its_directions_show(explained: Any, words: str) -> None:
    from napari_diffir.widgets._map_plot import spread_words

    assert spread_words(explained) == words


def test_names_in_the_map_are_not_written_over_each_other(qtbot: Any) -> None:
    from diffir_core.ipr_map import IPRMap
    from napari_diffir._ipr_state import PlaneMap
    from napari_diffir.widgets._map_plot import MapPlot

    places = np.array([[0, 0], [0.01, 0], [0.02, 0], [5, 0]], float)
    layout = IPRMap(places, (1.0, 0.0), np.array([0.0, 0.0, 0.0, 9.0]))
    plot = MapPlot()
    qtbot.addWidget(plot)
    plot.resize(300, 210)
    plot.show_map(PlaneMap(tuple((("Z", i),) for i in range(4)), layout))
    assert plot._named(layout, plot.points()) == [3, 0]
    plot.mark(2)
    assert plot._named(layout, plot.points()) == [2, 3]
