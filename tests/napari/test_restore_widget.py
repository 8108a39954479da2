"""The plugin as its user meets it: a real viewer, the sample, the button."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QScrollArea

import diffir_core as diffir
import napari_diffir
from diffir_core.errors import InputError
from diffir_core.samples import sample_path
from napari_diffir._layer_text import layer_command, layer_python
from napari_diffir._layers import result_arguments
from napari_diffir._scripting import steps_or_failure
from napari_diffir.widgets.restore import RestoreWidget

_SPATIAL = ("scale", "translate", "rotate", "shear", "units", "axis_labels")
_LOOKS = ("contrast_limits", "gamma", "blending")


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


def open_widget(viewer: Any, model: Path) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    widget.add_model(model)
    return widget


def restoring(viewer: Any, qtbot: Any, model: Path) -> Any:
    """Open the widget and begin to restore a stack that takes a while."""
    stack = np.random.default_rng(0).integers(0, 999, (200, 256, 256), np.uint16)
    viewer.add_image(stack, name="long")
    widget = open_widget(viewer, model)
    widget.restore_button.click()
    qtbot.waitUntil(lambda: widget.progress_bar.value() > 0, timeout=60_000)
    return widget


def assert_same_place_and_looks(result: Any, source: Any) -> None:
    for name in _SPATIAL + _LOOKS:
        ours, theirs = getattr(result, name), getattr(source, name)
        assert np.array_equal(np.asarray(ours), np.asarray(theirs)), name
    assert result.colormap.name == source.colormap.name
    assert np.array_equal(result.affine.affine_matrix, source.affine.affine_matrix)


def test_sample_is_restored_with_the_pixels_of_the_core_and_the_layers_place(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer.open_sample("napari-diffir", "noisy")
    source = viewer.layers["nuclei noisy"]
    source.translate = (1.0, 2.0, 3.0)
    widget = open_widget(viewer, tiny_model)
    assert widget.form.layer.name == source.name
    assert widget.form.axes_edit.text() == "ZYX"
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=60_000):
        widget.restore_button.click()
    qtbot.waitUntil(lambda: widget.restore_button.isEnabled(), timeout=10_000)
    result = viewer.layers["nuclei noisy restored"]
    expected = diffir.restore(source.data, diffir.load_model(tiny_model), axes="ZYX")
    assert result.data.dtype == np.uint16
    assert np.array_equal(result.data, expected)
    assert_same_place_and_looks(result, source)
    assert result.metadata["diffir"]["planes"] == 16
    assert viewer.layers.units is not None


def test_cancel_stops_within_a_moment_and_adds_nothing(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    widget = restoring(viewer, qtbot, tiny_model)
    pressed = time.monotonic()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: widget.restore_button.isEnabled(), timeout=20_000)
    assert time.monotonic() - pressed < 3
    assert [layer.name for layer in viewer.layers] == ["long"]
    assert "Cancelled" in widget.status.text()
    assert widget.progress_bar.value() < 1000


@pytest.mark.parametrize("way", ["close", "cross"])
def test_closing_the_widget_stops_its_work(
    viewer: Any, qtbot: Any, tiny_model: Path, way: str
) -> None:
    stack = np.random.default_rng(0).integers(0, 999, (200, 256, 256), np.uint16)
    viewer.add_image(stack, name="long")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    widget.add_model(tiny_model)
    widget.restore_button.click()
    qtbot.waitUntil(lambda: widget.progress_bar.value() > 0, timeout=60_000)
    worker = widget._worker
    with qtbot.waitSignal(worker.finished, timeout=20_000):
        widget.close() if way == "close" else dock.destroyOnClose()
    assert len(viewer.layers) == 1


def test_a_low_window_does_not_have_to_grow(viewer: Any, tiny_model: Path) -> None:
    widget = open_widget(viewer, tiny_model)
    assert widget.minimumSizeHint().height() < 200


@pytest.mark.parametrize("name", ["Restore", "Restore stack to disk", "Train"])
def test_a_panel_is_as_wide_as_what_it_shows(
    make_napari_viewer_proxy: Any, qtbot: Any, name: str
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.zeros((4, 32, 32), np.uint8))
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", name)
    area = widget.findChild(QScrollArea)
    viewer.window.resize(900, 500)  # Napari gives a dock no more than it asks for.
    qtbot.wait(500)
    assert area.viewport().width() >= area.widget().minimumSizeHint().width() > 250
    assert not area.horizontalScrollBar().isVisible()


def test_wrong_axes_are_explained_and_cannot_be_run(
    viewer: Any, tiny_model: Path
) -> None:
    viewer.add_image(np.zeros((4, 32, 32), np.uint8))
    widget = open_widget(viewer, tiny_model)
    assert "guessed" in widget.form.axes_hint.text()
    widget.form.axes_edit.setText("YX")
    assert not widget.restore_button.isEnabled()
    assert "2 dimensions" in widget.form.axes_hint.text()
    widget.form.axes_edit.setText("TYX")
    assert widget.restore_button.isEnabled()
    assert widget.form.axes_hint.text() == ""


def test_a_failure_is_one_sentence_in_the_widget(
    viewer: Any, qtbot: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("napari_diffir.widgets.restore.show_error", shown.append)
    image = np.ones((32, 32), np.float32)
    image[3, 4] = np.inf
    viewer.add_image(image, name="holes", contrast_limits=(0, 1))
    widget = open_widget(viewer, tiny_model)
    widget.restore_button.click()
    qtbot.waitUntil(lambda: bool(shown), timeout=60_000)
    qtbot.waitUntil(lambda: widget.restore_button.isEnabled(), timeout=10_000)
    assert "1 infinite" in widget.status.text()
    assert len(viewer.layers) == 1


def test_axes_come_from_labels_and_follow_the_chosen_layer(
    viewer: Any, tiny_model: Path
) -> None:
    viewer.add_image(
        np.zeros((2, 3, 16, 16), np.uint8), axis_labels=("t", "c", "y", "x"), name="tc"
    )
    viewer.add_image(np.zeros((16, 16, 3), np.uint8), rgb=True, name="rgb")
    widget = open_widget(viewer, tiny_model)
    assert widget.form.axes_edit.text() == "YXS"
    widget.form.layer_box.setCurrentText("tc")
    assert widget.form.axes_edit.text() == "TCYX"
    viewer.layers.remove("tc")
    assert widget.form.axes_edit.text() == "YXS"


def test_a_layer_that_changes_is_read_again(viewer: Any, tiny_model: Path) -> None:
    layer = viewer.add_image(np.zeros((4, 32, 32), np.uint8), name="cells")
    widget = open_widget(viewer, tiny_model)
    layer.name = "renamed"
    assert widget.form.layer_box.currentText() == "renamed"
    layer.axis_labels = ("t", "y", "x")
    assert widget.form.axes == "TYX"
    widget.form.axes_edit.setText(" cyx ")
    assert widget.form.axes == "CYX"
    layer.data = np.zeros((5, 32, 32), np.uint8)
    assert widget.form.axes == "CYX", "what was typed stays while it fits"
    layer.data = np.zeros((32, 32), np.uint8)
    assert widget.form.axes == "YX"
    assert widget.restore_button.isEnabled()
    widget.close()
    layer.data = np.zeros((4, 32, 32), np.uint8)
    layer.name = "later"
    assert widget.form.layer_box.currentText() == "renamed"


def test_the_result_lies_where_its_layer_was(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    stack = np.random.default_rng(0).integers(0, 999, (30, 128, 128), np.uint16)
    layer = viewer.add_image(stack, name="cells", scale=(2, 1, 1))
    widget = open_widget(viewer, tiny_model)
    widget.restore_button.click()
    qtbot.waitUntil(lambda: widget.progress_bar.value() > 0, timeout=60_000)
    layer.data = np.zeros((32, 32), np.uint16)
    qtbot.waitUntil(lambda: widget.restore_button.isEnabled(), timeout=60_000)
    result = viewer.layers["cells restored"]
    assert result.data.shape == stack.shape
    assert np.array_equal(result.scale, (2, 1, 1))


def test_a_viewer_closed_meanwhile_is_not_written_to(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    widget = restoring(viewer, qtbot, tiny_model)
    worker = widget._worker
    with qtbot.captureExceptions() as raised:
        viewer.close()
        qtbot.waitUntil(lambda: not worker.is_running, timeout=20_000)
        qtbot.wait(300)
    assert raised == []


def test_cancel_near_the_end_says_so(
    viewer: Any, qtbot: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked = threading.Event()

    def late(*parts: Any) -> Any:
        """Come to an end after Cancel, without another step to stop at."""
        steps = steps_or_failure(*parts)
        while True:
            try:
                yield next(steps)
            except StopIteration as end:
                is_asked.wait(20)
                return end.value

    monkeypatch.setattr("napari_diffir.widgets.restore.steps_or_failure", late)
    viewer.add_image(np.ones((64, 64), np.uint16))
    widget = open_widget(viewer, tiny_model)
    widget.start()
    qtbot.waitUntil(lambda: "Plane 1 of 1" in widget.status.text(), timeout=20_000)
    widget.cancel_button.click()
    is_asked.set()
    qtbot.waitUntil(widget.restore_button.isEnabled, timeout=20_000)
    assert widget.status.text() == "Cancelled; nothing added."
    assert widget.progress_bar.value() == 0
    assert len(viewer.layers) == 1


def test_a_file_that_is_trained_further_has_its_new_name(
    viewer: Any, tiny_model: Path
) -> None:
    widget = open_widget(viewer, tiny_model)
    for name in ("run-1: best, step 50", "run-1: best, step 900"):
        widget.add_model(tiny_model, name)
        assert widget.form.model_box.currentText() == name


def test_panels_agree_and_a_closed_one_comes_back_as_it_was(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    viewer.add_image(np.zeros((24, 24), np.uint16))
    one, two = open_widget(viewer, tiny_model), RestoreWidget(viewer)
    qtbot.addWidget(two)
    assert two.form.model == str(tiny_model)
    one.form.options_box.seed_box.setValue(7)
    assert two.form.options.seed == 7
    two.form.options_box.memory_edit.setText("2GB")
    assert one.form.options.memory == "2GB"
    two.form.options_box.memory_edit.setText("2 apples")  # Stays where it is typed.
    assert one.form.options.memory == "2GB"
    two.form.choose_model("em-denoise")
    assert one.form.model == "em-denoise"
    two.close()
    viewer.window.remove_dock_widget(one)
    _, again = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    assert again is not one
    assert again.form.model == "em-denoise"
    assert (again.form.options.seed, again.form.options.memory) == (7, "2GB")


def test_nothing_begins_without_a_word(viewer: Any, tiny_model: Path) -> None:
    widget = open_widget(viewer, tiny_model)
    widget.start()
    assert widget.status.text() == "Open an image first."


def test_scripts_restore_layers(viewer: Any, tiny_model: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (24, 40, 3), np.uint8)
    source = viewer.add_image(rgb, rgb=True, scale=(0.5, 0.5), units=("um", "um"))
    result = napari_diffir.restore_layer(viewer, source, tiny_model)
    assert result.rgb
    assert result.data.shape == rgb.shape
    assert result.data.dtype == np.uint8
    assert np.array_equal(result.scale, source.scale)
    assert result.units == source.units


def test_scripts_are_told_what_to_give_and_where_to_call(
    viewer: Any, tiny_model: Path
) -> None:
    layer = viewer.add_image(np.zeros((24, 40), np.uint8), contrast_limits=(0, 1))
    asked = partial(napari_diffir.restore_layer, viewer, layer, tiny_model)
    with pytest.raises(InputError, match="give RestoreOptions"):
        asked(options={"seed": 1})
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(asked).exception()
    assert isinstance(refused, InputError)
    assert "main thread" in str(refused)
    assert list(viewer.layers) == [layer]


def test_colours_keep_the_looks_of_their_source(viewer: Any, tiny_model: Path) -> None:
    colours = np.random.default_rng(1).random((24, 40, 3), np.float32)
    looks = {"contrast_limits": (-0.2, 1.2), "gamma": 0.8, "opacity": 0.5}
    looks["blending"] = "additive"
    source = viewer.add_image(colours, rgb=True, **looks)
    result = napari_diffir.restore_layer(viewer, source, tiny_model)
    assert {name: getattr(result, name) for name in looks} == {
        name: getattr(source, name) for name in looks
    }


def test_multiscale_layers_are_restored_at_full_resolution(
    viewer: Any, tiny_model: Path
) -> None:
    fine = np.random.default_rng(2).integers(0, 255, (64, 64), np.uint8)
    source = viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    result = napari_diffir.restore_layer(viewer, source, tiny_model)
    assert result.data.shape == (64, 64)


def test_samples_say_what_they_are() -> None:
    import tifffile

    for name in ("noisy", "reference", "acquired"):
        with tifffile.TiffFile(sample_path(name)) as file:
            assert "CC-BY 4.0" in (file.ome_metadata or "")


def test_the_copied_script_does_what_the_button_does(
    viewer: Any, tiny_model: Path
) -> None:
    stack = np.random.default_rng(0).integers(0, 999, (2, 32, 32), np.uint16)
    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    widget = open_widget(viewer, tiny_model)
    widget.form.options_box.seed_box.setValue(3)
    widget.copy_button.copy(lambda: widget._words(layer_python))
    exec(QApplication.clipboard().text(), {"viewer": viewer})
    options = diffir.RestoreOptions(seed=3)
    model = diffir.load_model(tiny_model)
    expected = diffir.restore(stack, model, axes="ZYX", options=options)
    assert np.array_equal(viewer.layers["cells restored"].data, expected)
    widget.copy_button.copy(lambda: widget._words(layer_command))
    assert "is of no file" in widget.status.text()


def test_few_grey_levels_are_said_and_may_be_kept_apart(
    viewer: Any, tiny_model: Path, qtbot: Any
) -> None:
    photons = np.random.default_rng(0).poisson(4, (32, 32)).astype(np.uint8)
    viewer.add_image(photons, name="photons")
    widget = open_widget(viewer, tiny_model)
    box = widget.form.options_box
    for dtype in (None, "float32"):
        box.type_box.setCurrentIndex(box.type_box.findData(dtype))
        qtbot.waitUntil(widget.restore_button.isEnabled, timeout=10_000)
        widget.restore_button.click()
        qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
        assert "Restored 1 plane in" in widget.status.text()
        assert ("grey levels apart" in widget.status.text()) == (dtype is None)
        assert viewer.layers[1].data.dtype == (dtype or np.uint8)
        viewer.layers.pop(1)
    box.show_options(diffir.RestoreOptions(output_dtype="uint16"))
    assert box.options.output_dtype == "uint16"


def test_the_copied_command_names_the_layers_file(
    viewer: Any, tiny_model: Path
) -> None:
    viewer.open(str(sample_path("noisy")), plugin="napari-diffir")
    widget = open_widget(viewer, tiny_model)
    widget.copy_button.copy(lambda: widget._words(layer_command))
    words = QApplication.clipboard().text()
    assert words.startswith(f"diffir restore {sample_path('noisy')}")
    assert f"--model {tiny_model}" in words


def test_super_resolution_of_a_turned_layer_covers_the_same_place(viewer: Any) -> None:
    turned = viewer.add_image(
        np.zeros((20, 30), np.uint8),
        scale=(2, 1),
        translate=(5, 7),
        rotate=30,
        shear=(0.2,),
        contrast_limits=(0, 1),
    )
    arguments = result_arguments(turned, 2)
    result = viewer.add_image(np.zeros((40, 60), np.uint8), **arguments)
    for corner in ((-0.5, -0.5), (9.5, 14.5), (19.5, 29.5)):
        finer = 2 * np.array(corner) + 0.5
        assert np.allclose(result.data_to_world(finer), turned.data_to_world(corner))
