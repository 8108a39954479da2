"""The IPR controls in a real viewer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers._layer_actions import _duplicate_layer
from networks import random_network
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

import diffir_core as diffir
from diffir_core.engine.workers import exhaust
from diffir_core.intensity import fit_mapping
from diffir_core.ipr_statistics import IPRStatistics
from diffir_core.stacks.jobs import RestoreJob
from diffir_core.stacks.sampling import restore_samples_steps
from diffir_core.stacks.source import open_source
from napari_diffir import _ipr_session
from napari_diffir._layers import position_in

_SECONDS = 20_000
_MOVE = QEvent.Type.MouseMove


@pytest.fixture(autouse=True)
def session(qtbot: Any) -> Iterator[Any]:
    """A session of its own for each test, which must not leave workers behind."""
    _ipr_session.current_session.cache_clear()
    made = _ipr_session.current_session()
    yield made
    made.cancel()
    made._look.cancel()
    qtbot.waitUntil(lambda: not made.is_busy, timeout=_SECONDS)
    _ipr_session.current_session.cache_clear()


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture(scope="session")
def known_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with statistics of its IPRs."""
    path = tmp_path_factory.mktemp("known") / "known.safetensors"
    network = random_network()
    diffir.save_model(path, network)
    bare = diffir.load_model(path)
    vectors = np.stack(
        [
            diffir.extract_ipr(stack_of(32, 32, seed=i), bare, axes="YX").vector
            for i in range(1, 20)
        ]
    )
    truths = vectors + np.random.default_rng(0).normal(0, 0.05, vectors.shape)
    diffir.save_model(path, network, statistics=IPRStatistics.of(vectors, truths))
    return path


def stack_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(60, shape).astype(np.uint16)


def add_stack(viewer: Any, stack: np.ndarray, **arguments: Any) -> Any:
    labels = ("z", "y", "x")[-stack.ndim :]
    return viewer.add_image(
        stack, name="stack", axis_labels=labels, contrast_limits=(0, 200), **arguments
    )


def open_widget(viewer: Any, model: Path) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "IPR controls")
    widget.add_model(model)
    return widget


def wait_for(qtbot: Any, condition: Any) -> None:
    qtbot.waitUntil(condition, timeout=_SECONDS)


def wait_for_ipr(qtbot: Any, widget: Any, source: str) -> None:
    # Of None, `waitUntil` would believe that it is fulfilled.
    wait_for(
        qtbot,
        lambda: widget.state.ipr is not None and widget.state.ipr.source == source,
    )


def wait_for_exact(qtbot: Any, widget: Any) -> None:
    wait_for(
        qtbot,
        lambda: (
            widget.state.preview is not None
            and widget.state.preview.exactness == "exact"
            and not widget._session.is_busy
        ),
    )


def test_the_sample_shows_the_ipr_that_restores_each_plane(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer.open_sample("napari-diffir", "noisy")
    widget = open_widget(viewer, tiny_model)
    data, model = viewer.layers["nuclei noisy"].data, diffir.load_model(tiny_model)
    iprs = diffir.extract_iprs(data, model, axes="ZYX", along="Z")
    for index in (3, 11):
        viewer.dims.set_current_step(0, index)
        wait_for_ipr(qtbot, widget, f"Z={index}")
        assert np.array_equal(widget.view.plot.values, iprs[index].vector)
        assert np.array_equal(widget.state.ipr.chain, iprs[index].chain)
        assert f"Z={index}" in widget.view.caption.text()


def test_the_live_preview_ends_as_the_restored_stack(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(4, 48, 64)
    layer = add_stack(
        viewer,
        stack,
        scale=(2, 0.5, 0.5),
        translate=(1, 2, 3),
        units=("um", "um", "um"),
    )
    widget = open_widget(viewer, tiny_model)
    viewer.dims.set_current_step(0, 2)
    wait_for_ipr(qtbot, widget, "Z=2")
    viewer.layers.selection = {layer}
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    whole = diffir.restore(stack, diffir.load_model(tiny_model), axes="ZYX")
    preview = viewer.layers["DiffIR preview"]
    top, bottom, left, right = widget.state.preview.region
    assert np.array_equal(preview.data[0], whole[2, top:bottom, left:right])
    assert np.allclose(
        preview.data_to_world((0, 0, 0)), layer.data_to_world((2, top, left))
    )
    assert preview.units == layer.units
    assert preview.axis_labels == layer.axis_labels
    assert tuple(preview.contrast_limits) == tuple(layer.contrast_limits)
    assert viewer.layers.units is not None
    assert set(viewer.layers.selection) == {layer}
    assert "Exact" in widget.look.status.text()
    assert widget.source.layer_box.count() == 1
    widget.look.live_check.click()
    assert [one.name for one in viewer.layers] == ["stack"]


def test_the_preview_follows_the_plane_and_the_seed(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack, model = stack_of(3, 40, 40), diffir.load_model(tiny_model)
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    viewer.dims.set_current_step(0, 2)
    wait_for_ipr(qtbot, widget, "Z=2")
    widget.steer.seed_box.setValue(5)
    wait_for(qtbot, lambda: widget.state.ipr.seed == 5)
    wait_for_exact(qtbot, widget)
    options = diffir.RestoreOptions(seed=5)
    whole = diffir.restore(stack, model, axes="ZYX", options=options)
    preview = viewer.layers["DiffIR preview"]
    wait_for(qtbot, lambda: preview.data.shape == (1, 40, 40))
    assert np.array_equal(preview.data[0], whole[2])
    assert preview.translate[0] == 2


def test_views_are_drawn_into_one_layer_or_a_difference(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(40, 48)
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    whole = viewer.layers["DiffIR preview"].data.copy()

    def choose(view: str) -> None:
        index = widget.look.view_box.findData(view)
        widget.look.view_box.setCurrentIndex(index)
        widget.look.view_box.activated.emit(index)

    choose("swipe")
    widget.look.divider.slider.setValue(25)
    swiped = viewer.layers["DiffIR preview"].data
    assert np.array_equal(swiped[:, :12], stack[:, :12])
    assert np.array_equal(swiped[:, 12:], whole[:, 12:])
    choose("difference")
    assert [one.name for one in viewer.layers] == ["stack", "DiffIR difference"]
    difference = viewer.layers["DiffIR difference"]
    assert np.array_equal(difference.data, whole.astype(np.float32) - stack)
    low, high = difference.contrast_limits
    assert low == -high
    choose("restored")
    assert np.array_equal(viewer.layers["DiffIR preview"].data, whole)


def test_strength_is_undone_and_redone(
    viewer: Any, qtbot: Any, known_model: Path
) -> None:
    stack, model = stack_of(32, 40, seed=50), diffir.load_model(known_model)
    add_stack(viewer, stack)
    widget = open_widget(viewer, known_model)
    own = diffir.extract_ipr(stack, model, axes="YX")
    wait_for(qtbot, lambda: widget.state.distance is not None)
    assert widget.state.distance == pytest.approx(diffir.ipr_distance(own, model))
    steer = widget.steer
    assert steer.strength.isEnabled()
    for position in (18, 14, 10):
        steer.strength.slider.setValue(position)
    half = diffir.steer(own, model, 0.5).vector
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, half))
    steer.undo_button.click()
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, own.vector))
    assert steer.strength.value == 1.0
    assert not steer.undo_button.isEnabled()
    steer.redo_button.click()
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, half))
    assert widget._session.choosing.options().strength == 0.5
    steer.reset_button.click()
    assert widget._session.choosing.options() == diffir.RestoreOptions()


def test_a_strength_that_exaggerates_is_told(
    viewer: Any, qtbot: Any, known_model: Path
) -> None:
    add_stack(viewer, stack_of(32, 32))
    widget = open_widget(viewer, known_model)
    wait_for(qtbot, lambda: widget.state.has_statistics)
    strength, warning = widget.steer.strength, widget.steer.warning
    assert warning.isHidden()
    strength.slider.setValue(30)
    assert strength.value == 1.5
    assert not warning.isHidden()
    assert "A strength of 1.5" in warning.text()
    widget.steer.undo_button.click()
    assert warning.isHidden()


def test_without_statistics_strength_says_why_it_is_off(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    add_stack(viewer, stack_of(32, 32))
    widget = open_widget(viewer, tiny_model)
    wait_for(qtbot, lambda: widget.state.model_ready)
    assert not widget.steer.strength.isEnabled()
    assert "without statistics" in widget.steer.strength.toolTip()


def test_slots_are_blended_exported_and_imported(
    viewer: Any, qtbot: Any, tiny_model: Path, tmp_path: Path
) -> None:
    stack, model = stack_of(2, 40, 40), diffir.load_model(tiny_model)
    stack[1] += 30
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    first, second = diffir.extract_iprs(stack, model, axes="ZYX", along="Z")
    viewer.dims.set_current_step(0, 0)
    wait_for_ipr(qtbot, widget, "Z=0")
    widget.slots.keep_a_button.click()
    viewer.dims.set_current_step(0, 1)
    wait_for_ipr(qtbot, widget, "Z=1")
    wait_for(qtbot, lambda: not widget._session.is_busy)
    widget.slots.keep_b_button.click()
    widget.slots.weight.slider.setValue(15)
    expected = diffir.blend(first, second, 0.3).vector
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, expected))
    path = tmp_path / "one.ipr.json"
    widget._session.choosing.save(path)
    assert np.array_equal(diffir.IPR.load(path).vector, expected)
    widget.steer.reset_button.click()
    wait_for_ipr(qtbot, widget, "Z=1")
    widget._session.choosing.load(path, "b")
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, expected))
    options = widget._session.choosing.options()
    assert options.ipr is not None
    assert np.array_equal(options.ipr.vector, expected)


def test_an_ipr_of_another_model_is_refused_in_one_sentence(
    viewer: Any, qtbot: Any, tiny_model: Path, tmp_path: Path
) -> None:
    add_stack(viewer, stack_of(32, 32))
    widget = open_widget(viewer, tiny_model)
    diffir.IPR(np.zeros(256, np.float32), "other").save(tmp_path / "x.ipr.json")
    widget.slots._try(
        lambda: widget._session.choosing.load(tmp_path / "x.ipr.json", "a")
    )
    assert "another model" in widget.status.text()
    assert "choose that model" in widget.status.text()
    (tmp_path / "y.ipr.json").write_text("[1]")
    widget.slots._try(
        lambda: widget._session.choosing.load(tmp_path / "y.ipr.json", "a")
    )
    assert "it holds a list" in widget.status.text()
    assert widget.state.choice.a is None


def test_what_cannot_be_done_is_told_in_the_words_of_the_panel(
    viewer: Any, qtbot: Any, tiny_model: Path, tmp_path: Path
) -> None:
    layer = add_stack(viewer, stack_of(2, 64, 64))
    widget = open_widget(viewer, tiny_model)
    wait_for_ipr(qtbot, widget, "Z=0")
    place = tmp_path / f"{'a' * 300}.ipr.json"
    widget.slots._try(lambda: widget._session.choosing.save(place))
    assert widget.state.message.startswith("The system refuses ")
    (tmp_path / "b.ipr.json").write_text("{}")
    load = widget._session.choosing.load
    widget.slots._try(lambda: load(tmp_path / "b.ipr.json", "a"))
    assert "name an IPR file" in widget.state.message

    widget._session.choosing.choose(scope="region", region=(0, 64, 0, 64))
    layer.data = layer.data[:, :32]
    wait_for(qtbot, lambda: "32 x 64" in widget.state.failure)
    assert "'the region now in view' again" in widget.state.failure


def test_one_ipr_restores_the_whole_stack(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack, model = stack_of(3, 40, 40), diffir.load_model(tiny_model)
    stack[2] += 40
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    viewer.dims.set_current_step(0, 2)
    wait_for_ipr(qtbot, widget, "Z=2")
    wait_for(qtbot, lambda: not widget._session.is_busy)
    ipr = widget.state.ipr
    widget.actions_box.whole_button.click()
    assert "Z=2" in widget.status.text()
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=_SECONDS):
        widget.actions_box.restore_button.click()
    options = diffir.RestoreOptions(ipr=ipr)
    expected = diffir.restore(stack, model, axes="ZYX", options=options)
    result = viewer.layers["stack restored"]
    assert np.array_equal(result.data, expected)
    assert result.metadata["diffir"]["options"]["ipr"]["vector"] == pytest.approx(
        ipr.vector.tolist()
    )
    wait_for(qtbot, lambda: not widget._session.is_busy)


def test_a_click_on_an_outlier_goes_to_its_plane(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(9, 40, 40)
    stack[6] = stack_of(40, 40, seed=7) // 4
    add_stack(viewer, stack, scale=(2, 1, 1))
    widget = open_widget(viewer, tiny_model)
    viewer.dims.set_current_step(0, 1)
    widget.tabs.setCurrentIndex(2)
    widget.planes.map_button.click()
    wait_for(qtbot, lambda: widget.state.plane_map is not None)
    assert widget.state.plane_map.layout.outliers[0] == 6
    assert "Z=6" in widget.planes.words.text()
    plot = widget.planes.plot
    plot.resize(300, 210)
    point = plot.points()[6]
    place = QPoint(round(point.x()), round(point.y()))
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
    assert viewer.dims.current_step[0] == 6
    wait_for_ipr(qtbot, widget, "Z=6")
    assert plot._current == 6


@pytest.mark.parametrize(("unit", "size"), [("um", 0.5), ("nm", 500.0)])
def test_layers_of_several_units_are_seen_where_napari_shows_them(
    viewer: Any, qtbot: Any, tiny_model: Path, unit: str, size: float
) -> None:
    layer = add_stack(
        viewer, stack_of(9, 40, 40), scale=(size, size / 5, size / 5), units=[unit] * 3
    )
    add_stack(viewer, stack_of(9, 40, 40), scale=(0.5, 0.1, 0.1), units=["um"] * 3)
    add_stack(viewer, stack_of(9, 40, 40), scale=(500, 100, 100), units=["nm"] * 3)
    viewer.dims.set_current_step(0, 6)
    widget = open_widget(viewer, tiny_model)
    widget.source.choose_layer(layer.name)
    wait_for_ipr(qtbot, widget, "Z=6")
    assert position_in(layer, viewer) == {"Z": 6}
    widget.go_to((("Z", 3),))
    assert viewer.dims.current_step[0] == 3
    wait_for_ipr(qtbot, widget, "Z=3")
    assert widget.state.sight.region == (0, 40, 0, 40)


def test_where_it_is_unsure_is_drawn_and_masked(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack, model = stack_of(2, 40, 40), diffir.load_model(tiny_model)
    layer = add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    viewer.dims.set_current_step(0, 1)
    wait_for_ipr(qtbot, widget, "Z=1")
    widget.spread.samples_box.setValue(3)
    widget.spread.measure_button.click()
    wait_for(qtbot, lambda: widget.state.spread is not None)
    mapping = fit_mapping(stack)  # That of the whole: so it is restored.
    _, deviation = exhaust(
        restore_samples_steps(stack[1], model, axes="YX", samples=3, mapping=mapping)
    )
    drawn, mask = viewer.layers["DiffIR spread"], viewer.layers["DiffIR unsure"]
    assert np.allclose(drawn.data[0], deviation)
    assert np.allclose(drawn.data_to_world((0, 0, 0)), layer.data_to_world((1, 0, 0)))
    assert mask.data.sum() == 160
    widget.spread.share.slider.setValue(25)
    assert mask.data.sum() == 400
    widget.spread.hide_button.click()
    assert [one.name for one in viewer.layers] == ["stack"]


def test_widgets_agree_and_a_closed_one_comes_back_as_it_was(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    from napari_diffir.widgets.ipr import IPRWidget

    add_stack(viewer, stack_of(2, 32, 32))
    viewer.add_image(stack_of(32, 32), name="other", contrast_limits=(0, 200))
    one = open_widget(viewer, tiny_model)
    two = IPRWidget(viewer)
    qtbot.addWidget(two)
    assert two.source.model == str(tiny_model)
    one.steer.seed_box.setValue(7)
    assert two.steer.seed_box.value() == 7
    two.source.layer_box.setCurrentText("stack")
    assert one.source.layer.name == "stack"
    wait_for(qtbot, lambda: two.state.ipr is not None)
    assert one.view.plot.values is two.view.plot.values
    one.look.live_check.click()
    wait_for_exact(qtbot, two)
    assert two.look.live_check.isChecked()
    assert len(viewer.layers) == 3
    two.close()
    viewer.window.remove_dock_widget(one)
    assert one._has_left
    wait_for(qtbot, lambda: not one._session.is_busy)
    assert [layer.name for layer in viewer.layers] == ["stack", "other"]
    three = open_widget(viewer, tiny_model)
    assert three.steer.seed_box.value() == 7
    three.steer.undo_button.click()
    assert three.steer.seed_box.value() == 0


def test_closing_stops_the_work_and_lets_the_pixels_go(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    add_stack(viewer, stack_of(200, 128, 128))
    widget = open_widget(viewer, tiny_model)
    wait_for(qtbot, lambda: widget.state.ipr is not None)
    widget.planes.map_button.click()
    wait_for(qtbot, lambda: (widget.state.progress or 0) > 0)
    widget.close()
    qtbot.waitUntil(lambda: not widget._session.is_busy, timeout=5000)
    assert widget.state.image is None
    assert widget.state.plane_map is None


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of three channels."""
    path = tmp_path_factory.mktemp("colour") / "colour.safetensors"
    diffir.save_model(path, random_network(in_channels=3, out_channels=3))
    return path


def test_colour_images_are_previewed_by_models_of_colour(
    viewer: Any, qtbot: Any, tiny_model: Path, colour_model: Path
) -> None:
    colour = np.random.default_rng(1).integers(0, 255, (40, 48, 3), np.uint8)
    viewer.add_image(colour, rgb=True, name="rgb")
    widget = open_widget(viewer, tiny_model)
    assert widget.source.axes == "YXS"
    widget.look.live_check.click()
    wait_for(qtbot, lambda: "Split RGB" in widget.status.text())
    widget.add_model(colour_model)
    wait_for_exact(qtbot, widget)
    model = diffir.load_model(colour_model)
    preview = viewer.layers["DiffIR preview"]
    assert preview.rgb
    assert np.array_equal(preview.data, diffir.restore(colour, model, axes="YXS"))
    widget.spread.samples_box.setValue(2)
    widget.spread.measure_button.click()
    wait_for(qtbot, lambda: widget.state.spread is not None)
    assert viewer.layers["DiffIR unsure"].data.shape == (40, 48)


def test_a_duplicate_of_the_preview_is_a_person_s_own(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(3, 40, 48)
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    viewer.layers.selection = {viewer.layers["DiffIR preview"]}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers["DiffIR preview copy"]
    copy.name, before = "kept", np.array(copy.data)
    assert widget.source.layer_box.findText("kept") >= 0
    viewer.dims.set_current_step(0, 2)
    wait_for_ipr(qtbot, widget, "Z=2")
    wait_for_exact(qtbot, widget)
    assert np.array_equal(copy.data, before)
    viewer.layers.remove("kept")
    viewer.layers.append(copy.__wrapped__)
    assert widget.look.live_check.isChecked(), "it was not the preview that went"
    widget.look.live_check.click()
    wait_for(qtbot, lambda: "DiffIR preview" not in viewer.layers)
    assert "kept" in viewer.layers


def test_a_model_that_is_trained_further_is_loaded_anew(
    viewer: Any, qtbot: Any, tiny_model: Path, known_model: Path, tmp_path: Path
) -> None:
    stack, best = stack_of(40, 48), tmp_path / "best.safetensors"
    add_stack(viewer, stack)
    shutil.copy(tiny_model, best)
    widget = open_widget(viewer, best)
    for source in (tiny_model, known_model):
        shutil.copy(source, tmp_path / "new")
        (tmp_path / "new").replace(best)
        widget.look.live_check.click()
        wait_for_exact(qtbot, widget)
        expected = diffir.restore(stack, diffir.load_model(source), axes="YX")
        assert np.array_equal(viewer.layers["DiffIR preview"].data, expected)
        widget.look.live_check.click()
        wait_for(qtbot, lambda: not widget._session.is_busy)


def test_a_layer_that_is_gone_is_let_go(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    layer = add_stack(viewer, stack_of(40, 48)).__wrapped__
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    widget.look.live_check.click()
    viewer.layers.remove(layer)
    assert widget._drawing._followed is None


def test_a_viewer_that_is_closed_gets_no_result(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    add_stack(viewer, stack_of(40, 96, 96))
    widget = open_widget(viewer, tiny_model)
    _, other = open_second(make_napari_viewer_proxy, qtbot, stack_of(2, 32, 32))
    widget.actions_box.restore_button.click()
    wait_for(qtbot, lambda: bool(other.state.progress))
    with qtbot.captureExceptions() as raised:
        viewer.close()
        wait_for(qtbot, lambda: not other._session.is_busy)
        qtbot.wait(300)
    assert raised == []
    assert "is ready" not in other.state.message


def test_a_job_holds_the_choice_and_brings_it_back(
    viewer: Any, qtbot: Any, tiny_model: Path, tmp_path: Path
) -> None:
    stack, path = stack_of(3, 40, 40), tmp_path / "stack.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    viewer.open(path, plugin="napari")
    viewer.layers[0].axis_labels = ("z", "y", "x")
    widget = open_widget(viewer, tiny_model)
    viewer.dims.set_current_step(0, 2)
    wait_for_ipr(qtbot, widget, "Z=2")
    wait_for(qtbot, lambda: not widget._session.is_busy)
    widget.actions_box.whole_button.click()
    job_button, job_file = widget.actions_box.job_button, tmp_path / "job.yaml"
    job_button.save(job_file)
    job = RestoreJob.load(job_file)
    assert (job.input, job.axes) == (str(path), "ZYX")
    vector = widget.state.ipr.vector
    widget.steer.reset_button.click()
    widget.steer.seed_box.setValue(5)
    job_button.load(job_file)
    assert np.array_equal(widget.state.choice.a.vector, vector)
    assert (widget.state.choice.use, widget.state.choice.seed) == ("slots", 0)
    widget.steer.undo_button.click()
    assert (widget.state.choice.use, widget.state.choice.seed) == ("own", 5)
    command = [sys.executable, "-m", "diffir_core", "restore", "--options", job_file]
    subprocess.run(command, check=True)
    with closing(open_source(job.output)) as written:
        restored = [written.read(plane)[0] for plane in written.layout.planes(1)]
    model = diffir.load_model(tiny_model)
    expected = diffir.restore(stack, model, axes="ZYX", options=job.options)
    assert np.array_equal(restored, expected)


def test_choices_can_be_copied(viewer: Any, qtbot: Any, tiny_model: Path) -> None:
    from qtpy.QtGui import QGuiApplication

    add_stack(viewer, stack_of(2, 32, 32))
    widget = open_widget(viewer, tiny_model)
    wait_for(qtbot, lambda: widget.state.model_ready)
    widget.steer.seed_box.setValue(3)
    copies = {one.text(): one for one in widget.actions_box.job_button.menu().actions()}
    copies["Copy as Python"].trigger()
    script = QGuiApplication.clipboard().text()
    assert "'seed': 3" in script
    exec(script, {"viewer": viewer})
    assert [one.name for one in viewer.layers] == ["stack", "stack restored"]
    copies["Copy as command"].trigger()
    assert "is of no file" in widget.status.text()


def test_the_divider_is_dragged_on_the_canvas(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    add_stack(viewer, stack_of(2, 40, 48), scale=(3, 0.5, 0.5))
    qtbot.wait(200)
    viewer.reset_view()
    widget = open_widget(viewer, tiny_model)
    open_widget(viewer, tiny_model)  # A second one must not keep the mouse.
    widget.state.view = "swipe"
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    (canvas,) = (
        one for one in QApplication.allWidgets() if "Canvas" in type(one).__name__
    )

    def place(row: float, column: float) -> QPoint:
        """Give where a pixel of the layer is on the canvas."""
        world = viewer.layers[0].data_to_world((0, row, column))[1:]
        away = (
            np.asarray(world) - viewer.scene.camera.center[-2:]
        ) * viewer.scene.camera.zoom
        middle = canvas.width() / 2, canvas.height() / 2
        return QPoint(round(middle[0] + away[1]), round(middle[1] + away[0]))

    def send(kind: QEvent.Type, place: QPoint) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        is_move, is_end = kind == _MOVE, kind == QEvent.Type.MouseButtonRelease
        local, world = QPointF(place), QPointF(canvas.mapToGlobal(place))
        buttons = none if is_end else left
        no_key = Qt.KeyboardModifier.NoModifier
        button = none if is_move else left
        event = QMouseEvent(kind, local, world, button, buttons, no_key)
        QApplication.sendEvent(canvas, event)
        qtbot.wait(50)  # Moves that follow at once are taken together.

    def drag(start: QPoint, end: QPoint) -> None:
        send(QEvent.Type.MouseButtonPress, start)
        for share in (0.5, 1.0):
            send(_MOVE, start + (end - start) * share)
        send(QEvent.Type.MouseButtonRelease, end)

    _, _, left, right = widget.state.preview.region
    middle, goal = (left + right - 1) / 2, left + (right - left) // 4
    centre = viewer.scene.camera.center
    drag(place(20, middle), place(24, goal - 0.5))
    assert widget.state.divider == pytest.approx(0.25, abs=0.02)
    swiped, stack = viewer.layers["DiffIR preview"].data[0], viewer.layers[0].data[0]
    shown = stack[widget.state.preview.region[0] :][: len(swiped), left:right]
    edge = goal - left
    assert np.array_equal(swiped[:, : edge - 1], shown[:, : edge - 1])
    assert not np.array_equal(swiped[:, edge + 1 :], shown[:, edge + 1 :])
    assert viewer.scene.camera.center == centre
    assert viewer.scene.camera.mouse_pan
    drag(place(20, middle + 4), place(20, middle))
    assert widget.state.divider == pytest.approx(0.25, abs=0.02)
    assert viewer.scene.camera.center != centre


def test_in_3d_there_is_no_preview_and_the_widget_says_so(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    add_stack(viewer, stack_of(4, 32, 32))
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    viewer.dims.ndisplay = 3
    wait_for(qtbot, lambda: widget.state.sight is None)
    assert "2-D" in widget.look.status.text()
    widget.slots.keep_a_button.click()
    assert "in 2-D first" in widget.status.text()
    assert [layer.name for layer in viewer.layers] == ["stack"]
    viewer.dims.ndisplay = 2
    wait_for_exact(qtbot, widget)


def test_the_finest_level_of_a_multiscale_layer_is_previewed(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    fine = stack_of(96, 128)
    viewer.add_image(
        [fine, fine[::2, ::2]],
        multiscale=True,
        name="levels",
        axis_labels=("y", "x"),
        contrast_limits=(0, 200),
    )
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    whole = diffir.restore(fine, diffir.load_model(tiny_model), axes="YX")
    top, bottom, left, right = widget.state.preview.region
    preview = viewer.layers["DiffIR preview"]
    assert np.array_equal(preview.data, whole[top:bottom, left:right])
    assert np.allclose(preview.translate, (top, left))


def test_pixels_that_are_no_numbers_are_explained(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    image = np.ones((32, 32), np.float32)
    image[3, 4] = np.inf
    viewer.add_image(image, name="holes", contrast_limits=(0, 1))
    widget = open_widget(viewer, tiny_model)
    wait_for(qtbot, lambda: "1 infinite" in widget.status.text())
    viewer.layers["holes"].data = np.ones((32, 32), np.float32)
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    wait_for(qtbot, lambda: widget.state.ipr is not None)
    assert widget.status.text() == ""


def test_what_failed_is_not_on_its_way_and_is_said_of_its_image_alone(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    assert widget.look.status.text() == "Open an image first."
    viewer.add_image(np.ones((32, 32), bool), name="mask")
    wait_for(qtbot, lambda: "type bool" in widget.status.text())
    assert widget.look.status.text() == "There is none: see below."
    widget.slots.keep_a_button.click()
    assert "type bool" in widget.status.text()
    viewer.add_image(np.ones((2, 2, 2, 2, 32, 32)), name="unnamed axes")
    widget.source.choose_layer("unnamed axes")
    assert widget.status.text() == ""


def test_pixels_that_change_in_place_are_looked_at_again(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    layer = add_stack(viewer, stack_of(3, 32, 32))
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    layer.data[...] = stack_of(3, 32, 32, seed=5) // 2
    layer.data = layer.data  # As a script tells napari so.
    assert widget.state.preview is None
    wait_for_exact(qtbot, widget)
    plane = layer.data[viewer.dims.current_step[0]]
    assert np.array_equal(widget.state.preview.original[0], plane)
    whole = diffir.restore(layer.data, diffir.load_model(tiny_model), axes="ZYX")
    here = widget.state.preview.plane.selection
    assert np.array_equal(widget.state.preview.restored[0], whole[here])


def test_a_newer_wish_replaces_those_before(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(96, 96)
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    seen: list[int] = []
    widget.state.events.ipr.connect(lambda ipr: seen.append(ipr.seed if ipr else -1))
    for seed in range(1, 40):
        widget.steer.seed_box.setValue(seed)
    wait_for(qtbot, lambda: bool(seen) and seen[-1] == 39)
    wait_for_exact(qtbot, widget)
    assert len(seen) < 5
    options = diffir.RestoreOptions(seed=39)
    model = diffir.load_model(tiny_model)
    whole = diffir.restore(stack, model, axes="YX", options=options)
    assert np.array_equal(viewer.layers["DiffIR preview"].data, whole)


def test_random_use_neither_fails_nor_leaves_the_widgets_apart(
    viewer: Any, qtbot: Any, known_model: Path
) -> None:
    """What is done wrong in a slot fails the test, through pytest-qt."""
    add_stack(viewer, stack_of(5, 40, 48))
    viewer.add_image(stack_of(33, 35), name="flat", contrast_limits=(0, 200))
    widget = open_widget(viewer, known_model)
    generator = np.random.default_rng(0)

    def pick(count: int) -> int:
        return int(generator.integers(count))

    def activate(box: Any) -> None:
        box.setCurrentIndex(pick(box.count()))
        box.activated.emit(box.currentIndex())

    actions = [
        lambda: viewer.dims.set_current_step(0, pick(5)),
        lambda: setattr(viewer.scene.camera, "zoom", 1 + 10 * generator.random()),
        lambda: setattr(viewer.scene.camera, "center", (0, pick(40), pick(48))),
        widget.look.live_check.click,
        lambda: activate(widget.look.view_box),
        lambda: widget.look.divider.slider.setValue(pick(100)),
        lambda: activate(widget.steer.scope_box),
        lambda: widget.steer.seed_box.setValue(pick(9)),
        lambda: widget.steer.steps_box.setValue(1 + pick(4)),
        lambda: widget.steer.strength.slider.setValue(pick(40)),
        widget.steer.undo_button.click,
        widget.steer.redo_button.click,
        widget.slots.keep_a_button.click,
        widget.slots.keep_b_button.click,
        lambda: widget.slots.weight.slider.setValue(pick(50)),
        lambda: activate(widget.slots.use_box),
        widget.planes.map_button.click,
        widget.spread.measure_button.click,
        lambda: widget.spread.share.slider.setValue(pick(50)),
        widget.spread.hide_button.click,
        widget.actions_box.whole_button.click,
        widget.actions_box.cancel_button.click,
        lambda: widget.source.layer_box.setCurrentIndex(pick(2)),
        lambda: setattr(viewer.dims, "ndisplay", 2 + pick(2)),
    ]
    for _ in range(120):
        actions[pick(len(actions))]()
        qtbot.wait(pick(60))
    viewer.dims.ndisplay = 2
    widget.steer.reset_button.click()
    widget.source.layer_box.setCurrentText("flat")
    wait_for(qtbot, lambda: not widget._session.is_busy)
    wait_for(qtbot, lambda: widget.state.ipr is not None)
    model, data = diffir.load_model(known_model), viewer.layers["flat"].data
    own = diffir.extract_ipr(data, model, axes="YX")
    wait_for(qtbot, lambda: np.array_equal(widget.view.plot.values, own.vector))


def open_second(make_viewer: Any, qtbot: Any, stack: np.ndarray) -> tuple[Any, Any]:
    """Give a second viewer with IPR controls that have become the current ones."""
    viewer = make_viewer()
    layer = viewer.add_image(stack, name="second", axis_labels=("z", "y", "x"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "IPR controls")
    wait_for(qtbot, lambda: widget.state.ipr is not None)
    assert widget.state.image.data is layer.data
    return viewer, widget


def test_each_viewer_restores_the_layer_that_it_shows(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer, stack = make_napari_viewer_proxy(), stack_of(2, 40, 40)
    add_stack(viewer, stack)
    widget = open_widget(viewer, tiny_model)
    other, _ = open_second(make_napari_viewer_proxy, qtbot, stack_of(3, 32, 32, seed=1))
    assert widget.source.layer.data is stack
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=_SECONDS):
        widget.actions_box.restore_button.click()
    expected = diffir.restore(stack, diffir.load_model(tiny_model), axes="ZYX")
    assert np.array_equal(viewer.layers["stack restored"].data, expected)
    assert [one.name for one in other.layers] == ["second"]
    assert widget.state.image.data is stack
    wait_for(qtbot, lambda: widget.state.ipr is not None)


def test_a_model_chosen_in_one_viewer_leaves_the_image_to_it(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path, known_model: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    add_stack(viewer, stack_of(2, 40, 40))
    first = open_widget(viewer, tiny_model)
    stack = stack_of(3, 32, 32, seed=1)
    _, second = open_second(make_napari_viewer_proxy, qtbot, stack)
    second.add_model(known_model)
    assert first.source.model == str(known_model)
    assert second.state.image.data is stack
    second.source.axes_edit.setText("TYX")
    assert second.state.image.axes == "TYX"


def test_planes_are_mapped_and_gone_to_in_the_viewer_of_the_button(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    add_stack(viewer, stack_of(4, 40, 40))
    widget = open_widget(viewer, tiny_model)
    _, second = open_second(make_napari_viewer_proxy, qtbot, stack_of(6, 32, 32))
    widget.planes.map_button.click()
    wait_for(qtbot, lambda: widget.state.plane_map is not None)
    assert len(widget.state.plane_map.positions) == 4
    second.go_to((("Z", 1),))
    assert "another viewer" in second.status.text()
    widget.go_to((("Z", 1),))
    assert viewer.dims.current_step[0] == 1
    wait_for(qtbot, lambda: not widget._session.is_busy)


def test_a_region_is_taken_from_the_viewer_of_its_box(
    make_napari_viewer_proxy: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    add_stack(viewer, stack_of(2, 40, 48))
    widget = open_widget(viewer, tiny_model)
    open_second(make_napari_viewer_proxy, qtbot, stack_of(6, 32, 32))
    box = widget.steer.scope_box
    box.activated.emit(box.findData("region"))
    assert widget.state.choice.region == (0, 40, 0, 48)


def test_a_result_is_placed_where_its_layer_was(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = stack_of(4, 48, 48)
    layer = add_stack(viewer, stack, scale=(2, 0.5, 0.5))
    widget = open_widget(viewer, tiny_model)
    wait_for(qtbot, lambda: widget.state.ipr is not None)
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=_SECONDS):
        widget.actions_box.restore_button.click()
        layer.data = stack_of(30, 30)
    result = viewer.layers["stack restored"]
    assert result.data.shape == stack.shape
    assert result.scale.tolist() == [2, 0.5, 0.5]
    assert "is ready" in widget.status.text()


def test_the_preview_follows_place_and_looks_of_its_source(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    layer = add_stack(viewer, stack_of(4, 48, 64), scale=(2, 0.5, 0.5))
    widget = open_widget(viewer, tiny_model)
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    layer.scale, layer.rotate, layer.units = (3, 1, 1), (0, 0, 20), ("um",) * 3
    layer.contrast_limits, layer.colormap, layer.gamma = (20, 90), "green", 0.7
    preview = viewer.layers["DiffIR preview"]

    def agree() -> bool:
        top, _, left, _ = widget.state.preview.region
        here = layer.data_to_world((viewer.dims.current_step[0], top, left))
        return np.allclose(preview.data_to_world((0, 0, 0)), here)

    assert agree()
    assert preview.scale.tolist() == [3, 1, 1]
    assert preview.units == layer.units
    assert tuple(preview.contrast_limits) == (20, 90)
    assert (preview.colormap.name, preview.gamma) == ("green", 0.7)
    preview.contrast_limits = (30, 60)  # What a person sets there stays.
    layer.contrast_limits, layer.colormap = (0, 150), "gray"
    viewer.dims.set_current_step(0, 3)
    wait_for_ipr(qtbot, widget, "Z=3")
    wait_for_exact(qtbot, widget)
    assert tuple(preview.contrast_limits) == (30, 60)
    assert preview.colormap.name == "gray"
    assert agree()


def test_a_difference_keeps_the_limits_that_a_person_sets(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    layer = add_stack(viewer, stack_of(2, 40, 48))
    widget = open_widget(viewer, tiny_model)
    widget.state.view = "difference"
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    difference = viewer.layers["DiffIR difference"]
    layer.colormap = "green"
    assert difference.colormap.name == "PiYG"
    difference.contrast_limits = (-7, 7)
    widget.steer.seed_box.setValue(3)
    wait_for(qtbot, lambda: widget.state.ipr.seed == 3)
    wait_for_exact(qtbot, widget)
    assert tuple(difference.contrast_limits) == (-7, 7)


@pytest.mark.parametrize("view", ["restored", "difference"])
def test_a_preview_removed_by_hand_turns_live_off(
    viewer: Any, qtbot: Any, tiny_model: Path, view: str
) -> None:
    add_stack(viewer, stack_of(2, 40, 48))
    widget = open_widget(viewer, tiny_model)
    open_widget(viewer, tiny_model)  # A second one sees the layers come and go, too.
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    widget.state.view = view
    assert widget.look.live_check.isChecked()
    viewer.layers.remove(viewer.layers[-1])
    assert not widget.look.live_check.isChecked()
    assert "Exact" not in widget.look.status.text()
    assert [layer.name for layer in viewer.layers] == ["stack"]
    widget.look.live_check.click()
    wait_for_exact(qtbot, widget)
    assert len(viewer.layers) == 2


def test_tabs_are_as_high_as_the_page_in_front(viewer: Any, qtbot: Any) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "IPR controls")
    heights = []
    for number in range(widget.tabs.count()):
        widget.tabs.setCurrentIndex(number)
        page = widget.tabs.currentWidget()
        heights.append(widget.tabs.sizeHint().height())
        assert widget.tabs.minimumSizeHint().height() >= page.minimumSizeHint().height()
        assert 0 < heights[-1] - page.sizeHint().height() < 60  # The tabs themselves.
        around = widget.tabs.heightForWidth(400) - page.sizeHint().height()
        assert abs(around) < 60, "no page behind takes room"
    assert heights[0] < heights[2]
