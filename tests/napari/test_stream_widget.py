"""Restore stack to disk, in a real viewer."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from heartbeat import Heartbeat
from napari.layers._layer_actions import _duplicate_layer
from ome_files import write_set
from qtpy.QtWidgets import QApplication

import diffir_core as diffir
from diffir_core.stacks.job_text import as_command, as_python
from diffir_core.stacks.jobs import RestoreJob
from diffir_core.stacks.metadata import StackMetadata
from diffir_core.stacks.progress import RestoreProgress
from diffir_core.stacks.source import files_of, open_source
from diffir_core.stacks.unfinished import Unfinished
from napari_diffir._outlook import look_ahead
from napari_diffir._stack_inputs import LayerStack, input_of, with_their_sets
from napari_diffir._stack_pace import Pace, PaceMaker
from napari_diffir._stack_session import StackSession, current_stack_session
from napari_diffir._stack_steps import StackRequest, StackTask
from napari_diffir._wording import told
from napari_diffir.widgets._look_ahead import LookAhead

SIZE = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 1.5}


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture
def session(qtbot: Any) -> Iterator[StackSession]:
    current_stack_session.cache_clear()
    yield current_stack_session()
    current_stack_session().stop()
    qtbot.waitUntil(lambda: not current_stack_session().is_busy, timeout=60_000)
    current_stack_session.cache_clear()


def write_stack(path: Path, planes: int = 12, side: int = 128, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).integers(90, 4000, (planes, side, side))
    metadata = {"axes": "ZYX", "Name": "a stack", **SIZE}
    tifffile.imwrite(path, values.astype(np.uint16), ome=True, metadata=metadata)
    return path


def open_widget(viewer: Any, model: Path) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-diffir", "Restore stack to disk"
    )
    widget.form.model_box.add_model(model)
    return widget


def choose(widget: Any, stack: Path, result: Path) -> None:
    widget.form.input_box.add_path(stack)
    widget.form.output_edit.setText(str(result))


def ended(widget: Any, qtbot: Any, phase: str = "finished") -> None:
    qtbot.waitUntil(lambda: not widget.state.is_active, timeout=120_000)
    assert widget.state.phase == phase, (widget.state.message, widget.state.rows)


def assert_same_files(found: Path, expected: Path) -> None:
    """Every chunk, byte for byte; what says when and from where is left out."""
    parts = sorted(p.relative_to(expected) for p in expected.rglob("c/**/*"))
    assert parts == sorted(p.relative_to(found) for p in found.rglob("c/**/*"))
    for part in parts:
        if (expected / part).is_file():
            assert (found / part).read_bytes() == (expected / part).read_bytes(), part


def test_a_file_fills_a_layer_and_equals_the_command(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", 40, 256)
    viewer.open(str(stack), plugin="napari-diffir")
    source = viewer.layers[0]
    assert isinstance(source.data, zarr.Array), "opened lazily"
    viewer.dims.set_current_step(0, 30)
    widget = open_widget(viewer, tiny_model)
    assert widget.form.output_edit.text() == str(tmp_path / "in restored.ome.zarr")
    first: list[np.ndarray] = []

    def look(_: int) -> None:
        if len(viewer.layers) == 2 and not first:
            planes = np.asarray(viewer.layers[1].data).any(axis=(1, 2))
            if planes.any():
                first.append(np.flatnonzero(planes))

    session.state.events.planes_done.connect(look)
    widget.start_button.click()
    ended(widget, qtbot)
    result = viewer.layers[1]
    assert 30 in first[0], "the plane in view comes first"
    assert 0 not in first[0]
    assert result.scale == pytest.approx((1.5, 0.2, 0.2))
    assert result.units == source.units
    assert viewer.layers.units is not None
    expected = tmp_path / "expected.ome.zarr"
    command = [sys.executable, "-m", "diffir_core", "restore", str(stack)]
    command += [str(expected), "--model", str(tiny_model)]
    subprocess.run(command, check=True, capture_output=True)
    assert_same_files(tmp_path / "in restored.ome.zarr", expected)
    assert np.array_equal(result.data, zarr.open_array(expected / "0"))
    assert "in restored" in result.metadata["diffir_file"]
    assert not widget.start_button.isEnabled(), "nothing is replaced unasked"
    widget.form.replace_box.setChecked(True)
    assert widget.start_button.isEnabled()
    viewer.dims.ndisplay = 3


def test_it_pauses_stops_and_is_completed_in_another_widget(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack, result = write_stack(tmp_path / "in.ome.tif", 60, 256), tmp_path / "o.zarr"
    widget = open_widget(viewer, tiny_model)
    choose(widget, stack, result)
    state = widget.state
    widget.start_button.click()
    qtbot.waitUntil(lambda: state.planes_done > 2, timeout=60_000)
    assert not widget.form.isEnabled()
    widget.pause_button.click()
    qtbot.wait(1000)
    held = state.planes_done
    qtbot.wait(1000)
    assert state.planes_done == held
    widget.resume_button.click()
    qtbot.waitUntil(lambda: state.planes_done > held, timeout=60_000)
    widget.stop_button.click()
    ended(widget, qtbot, "stopped")
    assert not result.exists()
    assert "kept" in state.message
    kept = state.planes_done
    assert 0 < kept < 60
    assert len(viewer.layers) == 1, "the layer of what is there stays"
    viewer.window.remove_dock_widget(widget.parent())

    other = open_widget(viewer, tiny_model)
    choose(other, stack, result)
    qtbot.waitUntil(lambda: "unfinished" in other.estimate_label.text(), timeout=60_000)
    assert not other.start_button.isEnabled()
    other.resume_button.click()
    ended(other, qtbot)
    assert len(viewer.layers) == 1, "the same layer goes on"
    expected = diffir.restore_file(
        stack, tmp_path / "e.zarr", diffir.load_model(tiny_model)
    )
    assert expected.planes == 60
    assert_same_files(result, tmp_path / "e.zarr")


def test_closing_the_panel_keeps_what_is_restored(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack, result = write_stack(tmp_path / "in.ome.tif", 60, 256), tmp_path / "o.zarr"
    widget = open_widget(viewer, tiny_model)
    choose(widget, stack, result)
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.planes_done > 2, timeout=60_000)
    viewer.window.remove_dock_widget(widget.parent())
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    assert session.state.phase == "stopped"
    assert (tmp_path / "o.zarr.unfinished" / "journal.jsonl").exists()


def test_a_panel_opened_anew_goes_on_with_the_last_run(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 999, (24, 192, 192), np.uint16)
    viewer.add_image(values, name="cells", axis_labels=("z", "y", "x"))
    widget = open_widget(viewer, tiny_model)
    result = tmp_path / "o.ome.zarr"
    widget.form.output_edit.setText(str(result))
    widget.form.options_box.seed_box.setValue(5)
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.planes_done > 2, timeout=60_000)
    viewer.window.remove_dock_widget(widget.parent())
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)

    _, other = viewer.window.add_plugin_dock_widget(
        "napari-diffir", "Restore stack to disk"
    )
    form = other.form
    assert form.input_box.currentText() == "cells"
    assert form.input_box.findText("o") < 0, "what is unfinished is no input"
    assert form.destination == result
    assert form.model_box.chosen == str(tiny_model)
    assert form.options_box.seed_box.value() == 5
    assert other.resume_button.isEnabled()
    other.resume_button.click()
    ended(other, qtbot)
    assert form.input_box.findText("o") >= 0
    assert session.request is None


def test_a_run_whose_layer_is_gone_says_so(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack = np.zeros((60, 256, 256), np.uint16)
    layer = viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    widget = open_widget(viewer, tiny_model)
    widget.form.output_edit.setText(str(tmp_path / "o.ome.zarr"))
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.planes_done > 2, timeout=60_000)
    viewer.window.remove_dock_widget(widget.parent())
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    viewer.layers.remove(layer.name)
    widget = open_widget(viewer, tiny_model)
    assert "'cells' of the last run is gone" in widget.status.message.text()
    assert not widget.resume_button.isEnabled()
    layer = viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    form = widget.form
    form.input_box.setCurrentIndex(form.input_box.findText("cells"))
    assert form.destination == tmp_path / "o.ome.zarr"
    assert widget.resume_button.isEnabled(), "as was promised: choose it again to go on"
    widget.start()
    qtbot.waitUntil(lambda: session.state.phase == "failed", timeout=60_000)
    assert "or tick 'Replace what is there'" in widget.status.message.text()
    widget.resume_button.click()
    ended(widget, qtbot)
    assert (tmp_path / "o.ome.zarr").is_dir()


def test_what_was_stopped_at_once_promises_nothing(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    viewer.add_image(np.zeros((9, 64, 64), np.uint16), name="cells")
    widget = open_widget(viewer, tiny_model)
    widget.form.output_edit.setText(str(tmp_path / "o.ome.zarr"))
    widget.start_button.click()
    widget.stop_button.click()
    ended(widget, qtbot, "stopped")
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    assert widget.state.message == "Stopped before the first plane was restored."


def test_what_cannot_be_done_is_told_before_it_is_pressed(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    viewer.add_image(np.zeros((3, 32, 32), np.uint16), name="cells")
    widget = open_widget(viewer, tiny_model)
    form, said = widget.form, widget.estimate_label
    good = str(tmp_path / "o.ome.zarr")

    def assert_refused(sentence: str) -> None:
        assert sentence in said.text()
        assert not widget.start_button.isEnabled()

    form.output_edit.setText(str(tmp_path / "none" / "o.ome.zarr"))
    assert_refused("There is no folder")
    form.output_edit.setText(str(tmp_path / "o.png"))
    assert_refused("Cannot write 'o.png'")
    form.output_edit.setText("")
    assert_refused("Choose a stack and an output first.")
    form.output_edit.setText(good)
    assert widget.start_button.isEnabled()
    form.axes_edit.setText("YX")
    assert_refused("2 dimensions")
    form.axes_edit.setText("ZYX")
    form.options_box.memory_edit.setText("lots")
    assert_refused("Memory: 'lots' is no size")
    form.options_box.memory_edit.setText("")
    form.options_box.scope_box.setCurrentText("each time point")
    assert_refused("needs an axis T")
    form.options_box.scope_box.setCurrentIndex(0)
    assert widget.start_button.isEnabled()
    (tmp_path / "o.ome.zarr").mkdir()
    form.replace_box.setChecked(True)
    qtbot.waitUntil(lambda: "will be replaced" in said.text(), timeout=60_000)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("~nosuchuser/o.ome.zarr", "knows no home folder '~nosuchuser'"),
        ("/tmp/" + 300 * "a" + ".ome.zarr", "file name too long"),
        ("/tmp/" + 240 * "a" + ".ome.zarr", "choose a shorter one"),
    ],
)
def test_an_output_that_names_no_place_is_told(
    viewer: Any, session: StackSession, tiny_model: Path, place: str, sentence: str
) -> None:
    viewer.add_image(np.zeros((3, 32, 32), np.uint16), name="cells")
    widget = open_widget(viewer, tiny_model)
    widget.form.output_edit.setText(place)
    assert sentence in widget.estimate_label.text()
    assert not widget.start_button.isEnabled()
    widget.start()
    assert sentence in widget.status.message.text()
    widget.job_button.copy(lambda: as_command(widget.form.job()))
    assert widget.state.phase == "idle"


def test_time_left_leaves_checking_and_measuring_out() -> None:
    pace, now = PaceMaker(), 0.0

    def take(phase: Any, planes: int) -> Pace:
        progress = RestoreProgress(
            50 + planes, 100, 0.5 + planes / 100, None, None, phase, planes * 10**6
        )
        return pace.take(now, progress)

    for phase in ("checking", "measuring"):
        for _ in range(300):
            assert take(phase, 0) == Pace()
            now += 1.0
    pace.pause(now)
    now += 30
    assert take("restoring", 0) == Pace()
    now += 30
    pace.go_on(now)
    now += 1
    assert take("restoring", 1) == Pace(pytest.approx(1.0), pytest.approx(49.0))
    now += 9
    assert take("restoring", 10) == Pace(pytest.approx(1.0), pytest.approx(40.0))


def test_what_the_system_refuses_is_a_sentence() -> None:
    error = told(FileNotFoundError(2, "No such file or directory", "/proc/x"))
    assert str(error).startswith("The system refuses /proc/x: no such file")
    assert told(error) is error


def test_a_layers_array_goes_to_a_tiff_with_its_metadata(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 200, (3, 2, 64, 48), np.uint8)
    viewer.add_image(
        values,
        name="cells",
        axis_labels=("t", "z", "y", "x"),
        scale=(2.0, 1.5, 0.2, 0.2),
        translate=(0, 3.0, 10.0, 0),
        units=("s", "um", "um", "um"),
    )
    widget = open_widget(viewer, tiny_model)
    assert widget.form.axes_edit.text() == "TZYX"
    result = tmp_path / "out.ome.tif"
    widget.form.output_edit.setText(str(result))
    widget.start_button.click()
    ended(widget, qtbot)
    expected = diffir.restore(values, diffir.load_model(tiny_model), axes="TZYX")
    assert np.array_equal(tifffile.imread(result), expected)
    source = open_source(result)
    assert source.metadata.pixel_size == {"T": 2.0, "Z": 1.5, "Y": 0.2, "X": 0.2}
    assert source.metadata.units["X"] == "micrometer"
    assert source.metadata.translate == {"Z": 3.0, "Y": 10.0}
    source.close()
    shown = viewer.layers[1]
    assert shown.contrast_limits == viewer.layers[0].contrast_limits
    assert np.array_equal(shown.translate, viewer.layers[0].translate)


def test_colours_on_the_disk_are_shown_as_they_are(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    colours = np.random.default_rng(0).integers(90, 130, (64, 64, 3), np.uint8)
    stack = tmp_path / "in.ome.tif"
    tifffile.imwrite(
        stack, colours, photometric="rgb", ome=True, metadata={"axes": "YXS"}
    )
    viewer.add_image(colours, rgb=True, name="cells", contrast_limits=(10, 200))
    widget = open_widget(viewer, tiny_model)
    for choose_input, limits in (
        (lambda: None, [10, 200]),
        (lambda: widget.form.input_box.add_path(stack), [0, 255]),
    ):
        choose_input()
        widget.form.output_edit.setText(str(tmp_path / f"{limits[0]}.ome.tif"))
        widget.start_button.click()
        ended(widget, qtbot)
        qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
        result = viewer.layers[-1]
        assert result.rgb
        assert list(result.contrast_limits) == limits


def stop_midway(widget: Any, qtbot: Any, session: StackSession) -> None:
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.planes_done > 2, timeout=60_000)
    widget.stop_button.click()
    ended(widget, qtbot, "stopped")
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)


def test_what_a_stopped_run_has_left_is_not_filled_by_another(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 999, (60, 128, 128), np.uint16)
    first = viewer.add_image(values, scale=(2, 3, 3), axis_labels=("z", "y", "x"))
    widget = open_widget(viewer, tiny_model)
    result = str(tmp_path / "o.ome.zarr")
    widget.form.output_edit.setText(result)
    stop_midway(widget, qtbot, session)
    left = viewer.layers[-1]
    viewer.layers.selection = {left}
    _duplicate_layer(viewer.layers)
    viewer.layers[-1].name = "own"
    viewer.layers.remove(first.name)
    second = viewer.add_image(values, scale=(1, 5, 5), axis_labels=("t", "y", "x"))
    second.contrast_limits, second.name = (7, 70), "second"
    widget.form.input_box.setCurrentIndex(widget.form.input_box.findText("second"))
    widget.form.output_edit.setText(result)
    widget.form.replace_box.setChecked(True)
    widget.start_button.click()
    ended(widget, qtbot)
    assert [layer.name for layer in viewer.layers] == ["own", "second", "o"]
    shown = viewer.layers["o"]
    assert shown.axis_labels == ("t", "y", "x")
    assert np.array_equal(shown.scale, (1, 5, 5))
    assert list(shown.contrast_limits) == [7, 70]


def test_layers_of_a_replaced_output_go(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 999, (6, 64, 64), np.uint16)
    viewer.add_image(values, name="cells", axis_labels=("z", "y", "x"))
    widget = open_widget(viewer, tiny_model)
    form, result = widget.form, tmp_path / "o.ome.zarr"
    form.output_edit.setText(str(result))
    widget.start_button.click()
    ended(widget, qtbot)
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    viewer.open(str(result / "0"), plugin="napari", name="old, by another reader")
    viewer.add_image(np.asarray(viewer.layers["o"].data), name="its own pixels")
    viewer.add_image(values[:4], name="fewer", axis_labels=("z", "y", "x"))
    form.input_box.setCurrentIndex(form.input_box.findText("fewer"))
    form.output_edit.setText(str(result))
    form.replace_box.setChecked(True)
    widget.start_button.click()
    ended(widget, qtbot)
    names = [layer.name for layer in viewer.layers]
    assert names == ["cells", "its own pixels", "fewer", "o"]
    assert viewer.layers["o"].data.shape == (4, 64, 64)


def test_it_begins_with_the_active_layer(
    viewer: Any, session: StackSession, tiny_model: Path
) -> None:
    for name in ("below", "chosen", "above"):
        viewer.add_image(np.zeros((2, 16, 16), np.uint8), name=name)
    viewer.layers.selection.active = viewer.layers["chosen"]
    widget = open_widget(viewer, tiny_model)
    assert widget.form.input_box.layer is not None
    assert widget.form.input_box.layer.name == "chosen"


def test_a_layer_that_changes_keeps_the_output_that_was_typed(
    viewer: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    layer = viewer.add_image(np.zeros((4, 32, 32), np.uint8), name="cells")
    form = open_widget(viewer, tiny_model).form
    form.output_edit.setText(str(tmp_path / "o.ome.zarr"))
    layer.name = "renamed"
    assert form.input_box.currentText() == "renamed"
    layer.data = np.zeros((32, 32), np.uint8)
    assert form.axes == "YX"
    layer.axis_labels = ("x", "y")
    assert form.axes == "XY"
    assert form.destination == tmp_path / "o.ome.zarr"


def test_nothing_is_chosen_until_a_file_is(
    viewer: Any,
    session: StackSession,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [("", ""), (str(tmp_path / "a.tif"), ""), ("", "")]
    monkeypatch.setattr(
        "napari_diffir.widgets._stack_box.QFileDialog.getOpenFileName",
        lambda *_: answers.pop(0),
    )
    form = open_widget(viewer, tiny_model).form
    box = form.input_box
    assert box.currentIndex() == -1

    def press_file() -> None:
        box.setCurrentIndex(box.findText("TIFF file…"))
        box.activated.emit(box.currentIndex())

    press_file()
    assert box.currentIndex() == -1
    press_file()
    assert box.path == tmp_path / "a.tif"
    form.output_edit.setText("typed.ome.zarr")
    press_file()
    assert box.path == tmp_path / "a.tif", "a dialog that is left changes nothing"
    assert form.output_edit.text() == "typed.ome.zarr"


def test_files_of_a_set_are_one_stack_of_the_folder(
    viewer: Any, qtbot: Any, tmp_path: Path, tiny_model: Path, session: StackSession
) -> None:
    folder, out = tmp_path / "stacks", tmp_path / "results"
    folder.mkdir()
    write_set(folder)
    widget = open_widget(viewer, tiny_model)
    widget.form.input_box.add_path(folder, is_folder_of_stacks=True)
    widget.form.output_edit.setText(str(out))
    widget.start_button.click()
    ended(widget, qtbot)
    assert [path.name for path in out.glob("*.zarr")] == ["c0.ome.zarr"]
    assert [row.status for row in widget.state.rows] == ["done", "done"]


def test_a_folder_of_stacks_is_a_table_of_jobs(
    viewer: Any,
    qtbot: Any,
    session: StackSession,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("napari_diffir.widgets._stack_status.show_error", shown.append)
    folder, out = tmp_path / "stacks", tmp_path / "results"
    folder.mkdir()
    write_stack(folder / "a.ome.tif", 3, 64)
    (folder / "b.ome.tif").write_bytes(b"II*\0 nothing")
    write_stack(folder / "c.ome.tif", 3, 64, seed=1)
    widget = open_widget(viewer, tiny_model)
    widget.form.input_box.add_path(folder, is_folder_of_stacks=True)
    assert widget.form.output_edit.text() == str(tmp_path / "stacks restored")
    widget.form.output_edit.setText(str(out))
    widget.start_button.click()
    ended(widget, qtbot, "failed")
    states = [row.status for row in widget.state.rows]
    assert states[0] == states[2] == "done"
    assert "failed" in states[1]
    table = widget.status.table
    assert table.rowCount() == 3
    assert table.item(1, 1).text() == states[1]
    assert sorted(p.name for p in out.glob("*.zarr")) == ["a.ome.zarr", "c.ome.zarr"]
    shutil.copy(folder / "a.ome.tif", folder / "b.ome.tif")
    assert widget.resume_button.isEnabled()
    widget.resume_button.click()
    ended(widget, qtbot)
    assert [row.status for row in widget.state.rows] == ["done"] * 3
    assert widget.form.input_box.path == folder, "new layers leave the choice alone"


def test_the_outlook_comes_by_itself_and_names_what_is_missing(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    unnamed = tmp_path / "unnamed.tif"
    tifffile.imwrite(unnamed, np.ones((5, 64, 64), np.uint16))
    widget = open_widget(viewer, tiny_model)
    assert not widget.start_button.isEnabled()
    choose(widget, unnamed, tmp_path / "out.ome.zarr")
    label = widget.estimate_label
    qtbot.waitUntil(lambda: "does not say" in label.text(), timeout=60_000)
    widget.form.axes_edit.setText("ZYX")
    qtbot.waitUntil(lambda: "planes: 5" in label.text(), timeout=60_000)
    assert "free disk" in label.text()
    assert "main memory" in label.text()


def by_another_reader(viewer: Any, folder: Path) -> Path:
    stack = write_stack(folder / "in.ome.tif", 3, 64)
    viewer.open(str(stack), plugin="napari")
    return stack


def by_another_reader_as_a_copy(viewer: Any, folder: Path) -> Path:
    stack = by_another_reader(viewer, folder)
    viewer.layers.selection = {viewer.layers[0]}
    _duplicate_layer(viewer.layers)
    viewer.layers.selection.active = viewer.layers[1]
    return stack


def by_our_reader(viewer: Any, folder: Path) -> Path:
    stack = write_stack(folder / "in.ome.tif", 3, 64)
    viewer.open(str(stack), plugin="napari-diffir")
    return stack


def behind_a_link(viewer: Any, folder: Path) -> Path:
    stack = by_another_reader(viewer, folder)
    (folder / "link.ome.tif").symlink_to(stack)
    return folder / "link.ome.tif"


def of_a_set(viewer: Any, folder: Path) -> Path:
    first, second = write_set(folder)
    viewer.open(str(first), plugin="napari-diffir")
    return second


def write_zarr(path: Path) -> Path:
    values = np.random.default_rng(0).integers(90, 4000, (3, 64, 64), np.uint16)
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=values)
    return path


def by_a_script(viewer: Any, folder: Path) -> Path:
    stack = write_zarr(folder / "in.ome.zarr")
    viewer.add_image(zarr.open_group(stack, mode="r")["0"], name="cells")
    return stack


def inside(viewer: Any, folder: Path) -> Path:
    stack = write_zarr(folder / "in.ome.zarr")
    viewer.open(str(stack / "0"), plugin="napari")
    return stack / "o.ome.zarr"


def contents(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize(
    "open_input",
    [
        by_another_reader,
        by_another_reader_as_a_copy,
        by_our_reader,
        behind_a_link,
        of_a_set,
        by_a_script,
        inside,
    ],
)
def test_no_file_of_the_layer_is_written_over(
    viewer: Any,
    session: StackSession,
    tiny_model: Path,
    tmp_path: Path,
    open_input: Callable[[Any, Path], Path],
) -> None:
    target = open_input(viewer, tmp_path)
    before = contents(tmp_path)
    widget = open_widget(viewer, tiny_model)
    form = widget.form
    form.output_edit.setText(str(target))
    # No axes of the file, where it says any: the array is restored, not the file.
    form.axes_edit.setText("QYX" if form.input_box.layer.ndim == 3 else "QCYX")
    form.replace_box.setChecked(True)
    assert "is the input" in widget.estimate_label.text()
    assert not widget.start_button.isEnabled()
    widget.start()
    assert "is the input" in widget.status.message.text()
    assert session.state.phase == "idle"
    assert contents(tmp_path) == before


def test_a_run_itself_looks_at_the_files_of_its_array(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", 3, 64)
    metadata = StackMetadata("ZYX", name="cells")
    array = LayerStack(np.zeros((3, 64, 64), np.uint16), metadata, (stack,))
    source = array.open()
    assert stack in files_of(source)


def test_a_set_is_looked_at_again_once_it_has_changed(tmp_path: Path) -> None:
    first, second = write_set(tmp_path)
    for _ in range(2):
        assert with_their_sets([first]) == {first, second}
    write_stack(first, 3, 64)
    assert with_their_sets([first]) == {first}


@pytest.mark.parametrize("journal", ["garbage\n", "", '{"header": {}}\n'])
def test_a_damaged_journal_is_told_once_and_can_be_replaced(
    viewer: Any,
    qtbot: Any,
    session: StackSession,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    journal: str,
) -> None:
    place = Unfinished(tmp_path / "o.ome.zarr")
    place.folder.mkdir()
    place.journal.write_text(journal)
    viewer.add_image(np.ones((3, 64, 64), np.uint16), name="cells")
    widget = open_widget(viewer, tiny_model)
    label, looks = widget.estimate_label, count_looks(monkeypatch)
    widget.form.output_edit.setText(str(place.destination))
    qtbot.waitUntil(lambda: "is damaged at its beginning" in label.text(), timeout=9000)
    qtbot.wait(1500)
    assert looks == [True]
    assert "planes: 3" in label.text(), "what it takes is told all the same"
    assert "tick 'Replace what is there' to start anew" in label.text()
    assert "--" not in label.text(), "flags are words of the command"
    assert not widget.resume_button.isEnabled()
    assert not widget.start_button.isEnabled()
    widget.form.replace_box.setChecked(True)
    qtbot.waitUntil(lambda: not widget.look.is_busy, timeout=9000)
    assert widget.start_button.isEnabled()
    widget.start_button.click()
    ended(widget, qtbot)
    assert place.destination.exists()


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    looks: list[bool] = []

    def look(request: StackRequest) -> Any:
        looks.append(True)
        return look_ahead(request)

    monkeypatch.setattr("napari_diffir.widgets._look_ahead.look_ahead", look)
    return looks


def test_an_estimate_that_fails_is_not_begun_again(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looks: list[bool] = []

    def fail(request: StackRequest) -> None:
        looks.append(True)
        raise KeyError("unforeseen")

    monkeypatch.setattr("napari_diffir.widgets._look_ahead.look_ahead", fail)
    ahead = LookAhead()
    with qtbot.capture_exceptions():
        ahead.ask(StackRequest((StackTask(tmp_path, tmp_path / "o.zarr"),), "none"))
        qtbot.waitUntil(lambda: bool(looks), timeout=9000)
        qtbot.wait(1000)
    assert looks == [True]
    assert not ahead.is_busy


def test_a_job_is_saved_loaded_and_copied(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack, result = write_stack(tmp_path / "in.ome.tif", 2, 64), tmp_path / "o.ome.zarr"
    widget = open_widget(viewer, tiny_model)
    choose(widget, stack, result)
    widget.form.options_box.seed_box.setValue(11)
    widget.form.options_box.scope_box.setCurrentIndex(2)
    widget.form.options_box.mean_box.setCurrentText("kept as measured")
    widget.job_button.save(tmp_path / "job.yaml")
    job = RestoreJob.load(tmp_path / "job.yaml")
    assert (job.options.seed, job.options.ipr_scope) == (11, "stack")
    assert job.options.keep_local_mean is True
    widget.job_button.copy(lambda: as_command(widget.form.job()))
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["diffir", "restore"]
    assert "seed=11" in words

    other = open_widget(viewer, tiny_model)
    other.job_button.load(tmp_path / "job.yaml")
    assert other.form.job() == job
    other.start_button.click()
    ended(other, qtbot)
    beside = RestoreJob.load(tmp_path / "o.ome.zarr.job.yaml")
    assert beside.options == job.options
    widget.job_button.save(tmp_path / "other")
    assert RestoreJob.load(tmp_path / "other.yaml") == widget.form.job()
    widget.job_button.save(tmp_path / "other")
    assert "other.yaml is already there" in widget.status.message.text()
    widget.job_button.load(tmp_path / "nothing.yaml")
    assert "Cannot read" in widget.status.message.text()


def test_a_job_of_a_layer_without_a_file_is_refused(
    viewer: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    viewer.add_image(
        np.zeros((3, 32, 32), np.uint16), name="cells", axis_labels=("z", "y", "x")
    )
    widget = open_widget(viewer, tiny_model)
    widget.form.output_edit.setText(str(tmp_path / "o.ome.zarr"))
    said, clipboard = widget.status.message, QApplication.clipboard()
    clipboard.setText("before")
    for words in (as_command, as_python):
        said.setText("")
        widget.job_button.copy(lambda words=words: words(widget.form.job()))
        assert said.text() == "The layer 'cells' is of no file; save it first."
        assert clipboard.text() == "before"
    said.setText("")
    widget.job_button.save(tmp_path / "job.yaml")
    assert "is of no file" in said.text()
    assert not (tmp_path / "job.yaml").exists()


def test_a_layer_of_a_file_is_a_job_of_the_file(
    viewer: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", 2, 64)
    viewer.open(str(stack), plugin="napari-diffir")
    form = open_widget(viewer, tiny_model).form
    assert form.input_box.layer is not None
    assert form.job().input == str(stack)
    assert form.job().axes == "ZYX"


def test_every_option_is_looked_at_at_once(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    viewer.add_image(np.zeros((3, 32, 32), np.uint16), name="cells")
    widget = open_widget(viewer, tiny_model)
    form, box = widget.form, widget.form.options_box
    form.output_edit.setText(str(tmp_path / "o.ome.zarr"))
    asked: list[bool] = []
    form.changed.connect(lambda: asked.append(True))
    kept = box.mean_box, box.structure_box, box.flips_box
    for choice in (box.device_box, *kept, box.type_box, box.scope_box):
        asked.clear()
        choice.setCurrentIndex(choice.count() - 1)
        assert asked, choice.toolTip()
    options = box.options
    assert options.keep_local_mean is options.keep_fine_structure is False
    assert options.average_flips is False
    assert options.output_dtype == "float32"
    for number in (box.seed_box, box.low_box):
        asked.clear()
        number.setValue(2)
        assert asked, number.toolTip()
    box.device_box.setCurrentIndex(0)
    assert widget.start_button.isEnabled()
    box.low_box.setValue(99.9)
    assert "percentile" in widget.estimate_label.text()
    assert not widget.start_button.isEnabled()
    box.high_box.setValue(100)
    assert widget.start_button.isEnabled()


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
def test_a_mirrored_layer_keeps_the_size_of_its_pixels(
    name: str, viewer: Any, tmp_path: Path, tiny_model: Path
) -> None:
    layer = viewer.add_image(
        np.random.default_rng(0).integers(90, 900, (2, 32, 32), np.uint16),
        scale=(-2, -0.5, 0.3),
        units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
    )
    source, result = input_of(layer, "ZYX"), tmp_path / name
    assert isinstance(source, LayerStack)
    diffir.restore_file(source.open(), result, diffir.load_model(tiny_model))
    restored = open_source(result)
    assert restored.metadata.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.3}
    restored.close()


def test_the_viewer_answers_while_a_slow_layer_is_looked_at(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path
) -> None:
    def read(block_info: Any = None) -> Any:
        time.sleep(1.0)  # As of a share on the network.
        return np.full((1, 64, 64), block_info[None]["chunk-location"][0] + 9, "uint16")

    chunks = ((1,) * 30, (64,), (64,))
    slow = dask.array.map_blocks(read, chunks=chunks, dtype="uint16")
    axes = {"axis_labels": ("z", "y", "x"), "contrast_limits": (0, 99)}
    layers = [viewer.add_image(one, **axes) for one in (slow, slow[::2])]
    widget = open_widget(viewer, tiny_model)
    qtbot.waitUntil(lambda: not widget.look.is_busy, timeout=60_000)
    heartbeat = Heartbeat()
    for layer, planes in zip(layers, ("planes: 30", "planes: 15"), strict=True):
        box = widget.form.input_box
        box.setCurrentIndex(box.findText(layer.name))
        qtbot.waitUntil(
            lambda planes=planes: planes in widget.estimate_label.text(), timeout=60_000
        )
    heartbeat.stop()
    assert heartbeat.beats > 100
    assert heartbeat.longest < 0.5, heartbeat.longest  # A read would take longer.


def test_the_viewer_answers_while_a_stack_is_restored(
    viewer: Any, qtbot: Any, session: StackSession, tiny_model: Path, tmp_path: Path
) -> None:
    stack = write_stack(tmp_path / "in.ome.tif", 30, 512)
    widget = open_widget(viewer, tiny_model)
    choose(widget, stack, tmp_path / "o.ome.zarr")
    qtbot.waitUntil(lambda: not widget.look.is_busy, timeout=60_000)
    heartbeat = Heartbeat()
    widget.start_button.click()
    for step in range(200):
        if not widget.state.is_active:
            break
        viewer.dims.set_current_step(0, step % 30)
        qtbot.wait(50)
        if widget.state.is_active:
            assert "unfinished" not in widget.estimate_label.text()
    ended(widget, qtbot)
    heartbeat.stop()
    assert heartbeat.beats > 20
    assert heartbeat.longest < 1.0, heartbeat.longest
