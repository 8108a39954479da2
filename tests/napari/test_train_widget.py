"""The Train widget in a real viewer."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.io
from diffir_training.logs import StepDone
from diffir_training.recipe import Recipe
from heartbeat import Heartbeat
from tiny_runs import TINY, blobs, noisy, saved, saved_step, tiny_recipe

from diffir_core.checkpoint import load_model
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS2
from napari_diffir._presets import NETWORKS, PRESETS, Network, Preset
from napari_diffir._run_folder import history
from napari_diffir._run_text import run_command, run_python
from napari_diffir._training import TrainingSession, current_session
from napari_diffir._training_steps import (
    Job,
    Progress,
    RunControl,
    training_steps,
)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture
def session(qtbot: Any) -> Iterator[TrainingSession]:
    current_session.cache_clear()
    yield current_session()
    current_session().stop()
    qtbot.waitUntil(lambda: not current_session().is_busy, timeout=60_000)
    current_session.cache_clear()


def open_widget(viewer: Any, folder: Path | None = None) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Train")
    if folder is not None:
        widget.form.folder_edit.setText(str(folder))
    return widget


def long_recipe(run: Path) -> Recipe:
    return tiny_recipe(run, (40, 6, 20))


def test_a_run_survives_its_widget_and_its_model_restores(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, monkeypatch: Any
) -> None:
    layer = viewer.add_image(blobs(), name="clean", axis_labels=("z", "y", "x"))
    run = tmp_path / "run"
    widget = open_widget(viewer, run)
    # The preset's images and noise, at the size of a test.
    monkeypatch.setattr(type(widget.form), "make_recipe", lambda form: long_recipe)
    qtbot.waitUntil(widget.start_button.isEnabled, timeout=10_000)
    widget.start_button.click()
    qtbot.waitUntil(lambda: len(session.state.losses) > 2, timeout=60_000)
    beat, told = Heartbeat(), len(session.state.losses)
    qtbot.waitUntil(lambda: len(session.state.losses) > told + 4, timeout=60_000)
    beat.stop()
    assert len(session.state.psnrs_db) > 1
    assert beat.beats > 5
    assert beat.longest < 1.0
    assert len(widget.view.loss_curve.getData()[0]) > 2
    assert not widget.start_button.isEnabled()

    widget.close()
    qtbot.waitUntil(lambda: not session.is_busy, timeout=60_000)
    stopped_at = saved_step(run)
    assert session.state.phase == "stopped"
    assert 0 < stopped_at == session.state.step < 66
    viewer.window.remove_dock_widget(widget.parent())

    widget = open_widget(viewer)
    assert widget.form.folder == run
    assert f"Stopped after {stopped_at} steps" in widget.status.message.text()
    assert len(widget.view.loss_curve.getData()[0]) > 2
    widget.resume_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "finished", timeout=60_000)
    steps = [step for step, _ in session.state.losses]
    assert steps[-1] == 66
    assert steps == sorted(set(steps))
    assert widget.status.bar.value() == 66
    assert history(run).losses[-1][0] == 66

    widget.use_button.click()
    _, restore = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    assert restore.form.model_box.currentData() == str(run / "best.safetensors")
    assert "best, step" in restore.form.model_box.currentText()
    assert "best model of stage 2" in widget.status.message.text()
    restore.form.layer_box.setCurrentText(layer.name)
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=60_000):
        restore.restore_button.click()
    qtbot.waitUntil(restore.restore_button.isEnabled, timeout=10_000)
    assert viewer.layers["clean restored"].data.shape == layer.data.shape


@pytest.fixture
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's first choices, at the size of a test."""
    kinds = ("ground_truth", "estimation", "joint")
    stages = [
        dict(kind=kind, steps=count, patch_size=32, batch=2)
        for kind, count in zip(kinds, (30, 4, 10), strict=True)
    ]
    validation = dict(steps=5, patches=2)
    preset = Preset("a moment", tuple(stages), 2, validation, 1000)
    monkeypatch.setitem(PRESETS, "quick", preset)
    first = next(iter(NETWORKS))
    monkeypatch.setitem(NETWORKS, first, Network(0, 1.0, TINY))


def test_a_pair_of_layers_trains_closes_and_resumes(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, tiny_presets: None
) -> None:
    clean, run = blobs(1, 96)[0], tmp_path / "run"
    viewer.add_image(noisy(clean), name="noisy", axis_labels=("y", "x"))
    viewer.add_image(clean, name="clean")
    widget = open_widget(viewer, run)
    form, pairs = widget.form, widget.form.pairs
    form.kind_box.setCurrentText(pairs.title)
    assert pairs.noisy_box.currentText() == "noisy"
    assert pairs.clean_box.currentText() == "clean"
    picture = pairs.preview.picture
    qtbot.waitUntil(lambda: not picture.pixmap().isNull(), timeout=60_000)
    assert picture.pixmap().width() > 1.8 * picture.pixmap().height()
    form.recipe.device_box.setCurrentText("cpu")
    widget.start_button.click()
    qtbot.waitUntil(lambda: len(session.state.losses) > 2, timeout=60_000)

    widget.close()
    qtbot.waitUntil(lambda: not session.is_busy, timeout=60_000)
    assert 0 < session.state.step < 44
    viewer.window.remove_dock_widget(widget.parent())
    viewer.layers.clear()  # The run has its own copy.

    widget = open_widget(viewer)
    widget.resume_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "finished", timeout=60_000)
    recipe = Recipe.from_yaml(run / "recipe.yaml")
    assert recipe.noise is None
    assert recipe.loop.device == "cpu"
    assert recipe.validation.held_back_files == "*_held_back*"
    assert session.state.losses[-1][0] == 44
    assert session.state.psnrs_db[-1][0] == 44
    assert "best model of stage 2" in widget.use_button.toolTip()


def test_pairs_that_do_not_match_are_refused_before_the_start(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    viewer.add_image(blobs(1, 64)[0], name="small")
    viewer.add_image(blobs(1, 96)[0], name="large")
    widget = open_widget(viewer, tmp_path / "run")
    pairs = widget.form.pairs
    widget.form.kind_box.setCurrentText(pairs.title)
    assert "shape (64, 64)" in pairs.preview.hint.text()
    widget.start_button.click()
    assert "(96, 96)" in widget.status.message.text()
    pairs.clean_box.setCurrentText("small")
    assert "same layer" in pairs.preview.hint.text()
    pairs.noisy_box.setCurrentText("large")
    pairs.clean_box.setCurrentText("small")
    pairs.noisy_box.setCurrentText("small")
    assert pairs.clean_box.currentText() == "large"
    pairs.clean_box.add_folder(tmp_path)
    assert "a folder" in pairs.preview.hint.text()
    assert not session.is_busy
    assert not (tmp_path / "run").exists()


def test_what_the_trainer_warns_of_is_seen_in_the_panel(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, tiny_presets: None
) -> None:
    clean = blobs(4, 96)
    viewer.add_image(noisy(clean), name="noisy")
    viewer.add_image(clean // 4, name="clean")
    widget = open_widget(viewer, tmp_path / "run")
    widget.form.kind_box.setCurrentText(widget.form.pairs.title)
    qtbot.waitUntil(widget.start_button.isEnabled, timeout=60_000)
    widget.start_button.click()
    qtbot.waitUntil(lambda: len(session.state.losses) > 2, timeout=60_000)
    assert "in other units than the noisy one" in widget.status.warning.text()
    widget.form.folder_edit.setText(str(tmp_path / "another"))
    widget.stop_button.click()
    qtbot.waitUntil(lambda: not session.is_busy, timeout=60_000)
    session.look_at(tmp_path / "another")
    assert widget.status.warning.text() == ""


def test_the_warning_of_a_run_does_not_stay_over_another(
    viewer: Any, tmp_path: Path, session: Any
) -> None:
    widget = open_widget(viewer, tmp_path / "run")
    for step, loss in enumerate((0.1, 0.9), start=1):
        done = StepDone("joint", step, 2, loss, 1e-4, 1.0, 0.0)
        session.state.take(Progress("joint", step, 2, None, done))
    assert "training diverges" in widget.status.warning.text()
    session.look_at(tmp_path / "another")
    assert widget.status.warning.text() == ""


def test_patches_that_do_not_fit_are_explained_in_the_panel(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("napari_diffir.widgets._run_status.show_error", lambda _: None)
    for name in ("noisy", "clean"):
        viewer.add_image(noisy(blobs(4, 80)), name=name)
    widget = open_widget(viewer, tmp_path / "run")
    widget.form.kind_box.setCurrentText(widget.form.pairs.title)
    widget.form.recipe.preset_box.setCurrentIndex(1)
    qtbot.waitUntil(widget.start_button.isEnabled, timeout=60_000)
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "failed", timeout=60_000)
    assert "80 x 80 pixels, a patch 96 x 96" in widget.status.message.text()


def test_frames_are_shown_beside_their_mean(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    viewer.add_image(noisy(blobs(1, 96)[0]), name="plane")
    widget = open_widget(viewer, tmp_path / "run")
    frames = widget.form.frames
    widget.form.kind_box.setCurrentText(frames.title)
    assert "named t" in frames.preview.hint.text()
    viewer.add_image(noisy(np.repeat(blobs(1, 96), 5, axis=0)), name="frames")
    frames.frames_box.setCurrentText("frames")
    picture = frames.preview.picture
    qtbot.waitUntil(lambda: not picture.pixmap().isNull(), timeout=60_000)
    assert frames.preview.hint.text() == ""
    recipe = widget.form.make_recipe()(tmp_path / "run")
    assert recipe.data.images.kind == "repeated"
    assert (tmp_path / "run/images/frames_held_back.tif").exists()


def test_pause_waits_and_two_widgets_show_one_run(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    from napari_diffir.widgets.train import TrainWidget

    viewer.add_image(blobs(), name="clean")
    first, second = open_widget(viewer, tmp_path), TrainWidget(viewer)
    qtbot.addWidget(second)
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: len(session.state.losses) > 0, timeout=60_000)
    first.pause_button.click()
    assert second.resume_button.isEnabled()
    qtbot.wait(300)
    step = session.state.step
    qtbot.wait(500)
    assert session.state.step == step
    second.resume_button.click()
    qtbot.waitUntil(lambda: session.state.step > step, timeout=60_000)
    second.close()
    qtbot.wait(200)
    assert session.state.phase == "running"
    first.pause_button.click()
    first.stop_button.click()  # A paused run can be stopped, too.
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=60_000)
    assert first.resume_button.isEnabled()
    assert not first.start_button.isEnabled()
    assert (tmp_path / "state.pt").exists()


def test_the_cross_of_the_panel_stops_the_run(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    dock, _ = viewer.window.add_plugin_dock_widget("napari-diffir", "Train")
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: session.state.step > 2, timeout=60_000)
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=60_000)
    assert saved_step(tmp_path) == session.state.step


def test_napari_quitting_its_workers_keeps_a_checkpoint(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    open_widget(viewer)
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: session.state.step > 2, timeout=60_000)
    session._worker.quit()
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=60_000)
    assert saved_step(tmp_path) >= session.state.step


def test_what_was_stopped_at_once_is_begun_anew(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    widget = open_widget(viewer)
    widget.form.folder_edit.setText(str(tmp_path))
    session.start(tmp_path, long_recipe)
    session.stop()
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=60_000)
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    assert not widget.resume_button.isEnabled()
    assert "Start begins anew" in widget.status.message.text()


def test_a_failure_is_one_sentence_in_the_widget(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, monkeypatch: Any
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("napari_diffir.widgets._run_status.show_error", shown.append)
    image = np.full((32, 32), np.nan, np.float32)
    viewer.add_image(image, name="holes", contrast_limits=(0, 1))
    widget = open_widget(viewer, tmp_path / "run")
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "failed", timeout=60_000)
    assert "NaN" in widget.status.message.text()
    assert len(shown) == 1
    assert widget.start_button.isEnabled()


def test_choices_are_what_is_trained(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    widget = open_widget(viewer, tmp_path / "run")
    assert not widget.start_button.isEnabled()
    viewer.add_image(blobs(), name="clean")
    assert widget.start_button.isEnabled()
    picture = widget.form.clean.preview.picture
    qtbot.waitUntil(lambda: not picture.pixmap().isNull(), timeout=60_000)
    before = picture.pixmap().toImage()
    widget.form.clean.camera_form.photons.set_nearest(10)
    qtbot.waitUntil(lambda: picture.pixmap().toImage() != before, timeout=10_000)
    recipe = widget.form.make_recipe()(tmp_path / "run")
    assert recipe.start.stage2 == "fluo-denoise"
    network_box = widget.form.recipe.network_box
    network_box.setCurrentIndex(network_box.findData("medium, new"))
    recipe = widget.form.make_recipe()(tmp_path / "run")
    assert recipe.start.stage2 is None
    assert recipe.model.dim == 24
    assert recipe.noise.photons == pytest.approx((10 / 3, 30))
    widget.form.recipe.add_file(saved(recipe, tmp_path / "own.yaml"))
    assert not network_box.isEnabled()
    assert widget.form.make_recipe()(tmp_path / "other") == recipe


def test_a_run_needs_a_folder_that_can_be_made(
    viewer: Any, tmp_path: Path, session: Any
) -> None:
    viewer.add_image(blobs(), name="clean")
    widget = open_widget(viewer, tmp_path / "run")
    form = widget.form
    assert widget.start_button.isEnabled()
    assert form.folder_hint.text() == ""
    form.folder_edit.setText("  ")
    assert not widget.start_button.isEnabled()
    assert "Choose a folder" in form.folder_hint.text()
    widget.start()
    assert "Choose a folder" in widget.status.message.text()
    (tmp_path / "file").write_text("")
    form.folder_edit.setText(str(tmp_path / "file" / "run"))
    assert not widget.start_button.isEnabled()
    assert "is a file" in form.folder_hint.text()
    form.folder_edit.setText(str(tmp_path / "run"))
    assert widget.start_button.isEnabled()


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("~nosuchuser/x", "knows no home folder '~nosuchuser'"),
        ("/tmp/" + 300 * "a", "file name too long"),
    ],
)
def test_a_folder_that_names_no_place_is_told(
    viewer: Any, tmp_path: Path, session: Any, folder: str, sentence: str
) -> None:
    viewer.add_image(blobs(), name="clean")
    widget = open_widget(viewer, tmp_path / "run")
    widget.form.folder_edit.setText(folder)
    assert sentence in widget.form.folder_hint.text()
    assert not widget.start_button.isEnabled()
    assert not widget.resume_button.isEnabled()
    widget.start()
    assert sentence in widget.status.message.text()
    widget.form.folder_edit.setText(str(tmp_path / "run"))
    assert widget.start_button.isEnabled()
    assert widget.form.folder_hint.text() == ""


def test_a_layer_that_changes_is_looked_at_again(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    layer = viewer.add_image(blobs(1)[0], name="clean", contrast_limits=(0, 1))
    widget = open_widget(viewer, tmp_path / "run")
    clean = widget.form.clean
    qtbot.waitUntil(lambda: clean.preview._crops is not None, timeout=10_000)
    layer.name = "renamed"
    assert clean.source_box.currentText() == "renamed"
    layer.data = np.full((72, 72), np.nan, np.float32)
    assert clean.preview._crops is None
    qtbot.waitUntil(lambda: bool(clean.preview.hint.text()), timeout=10_000)


def test_a_refused_image_takes_the_picture_of_the_last_one_away(
    viewer: Any, qtbot: Any, session: Any
) -> None:
    viewer.add_image(blobs(), name="good", axis_labels=("z", "y", "x"))
    clean = open_widget(viewer).form.clean
    preview = clean.preview
    qtbot.waitUntil(lambda: not preview.picture.pixmap().isNull(), timeout=10_000)
    bad = np.full((64, 64), np.nan, np.float32)
    viewer.add_image(bad, name="bad", axis_labels=("y", "x"), contrast_limits=(0, 1))
    clean.source_box.setCurrentIndex(clean.source_box.findText("bad"))
    qtbot.waitUntil(lambda: bool(preview.hint.text()), timeout=10_000)
    preview.picture.resize(preview.picture.width() + 20, preview.picture.height())
    assert preview.picture.pixmap().isNull()


def test_curves_come_with_the_first_points(
    viewer: Any, tmp_path: Path, session: Any
) -> None:
    widget = open_widget(viewer, tmp_path / "run")
    view = widget.view
    assert not view.waiting.isHidden()
    assert all(plot.isHidden() for plot in view._plots)
    session.state.losses = ((1, 0.5),)
    assert view.waiting.isHidden()
    assert not any(plot.isHidden() for plot in view._plots)


def test_a_folder_without_pictures_shows_none_of_another_run(
    viewer: Any, tmp_path: Path, session: Any
) -> None:
    folders = tmp_path / "run-a", tmp_path / "run-b"
    for folder in folders:
        folder.mkdir()
        (folder / "state.pt").write_bytes(b"x")
        (folder / "recipe.yaml").write_text("x")
    (folders[0] / "validation.csv").write_text(
        "stage,step,psnr_db,input_psnr_db,is_best\njoint,1,30,20,True\n"
    )
    (folders[0] / "previews").mkdir()
    skimage.io.imsave(
        folders[0] / "previews" / "000001.png",
        np.zeros((64, 192), np.uint8),
        check_contrast=False,
    )
    widget = open_widget(viewer, folders[0])
    picture = widget.view.picture
    assert not picture.pixmap().isNull()
    widget.form.folder_edit.setText(str(folders[1]))
    assert picture.pixmap().isNull()
    assert "first measurement" in picture.text()
    widget.form.folder_edit.setText(str(folders[0]))
    assert not picture.pixmap().isNull()


def test_a_run_of_another_day_is_offered(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    control = RunControl()
    work = training_steps(Job(tmp_path, tiny_recipe), control)
    for _ in range(10):
        next(work)
    work.close()
    widget = open_widget(viewer, tmp_path)
    assert widget.resume_button.isEnabled()
    assert not widget.start_button.isEnabled()
    assert len(widget.view.loss_curve.getData()[0]) > 0
    widget.resume_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "finished", timeout=60_000)
    assert session.state.step == 22
    assert isinstance(load_model(tmp_path / "stage2.safetensors").network, DiffIRS2)


def test_a_run_is_copied_as_a_script_that_goes_on_with_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run yet"):
        run_python(tmp_path)
    work = training_steps(Job(tmp_path, tiny_recipe), RunControl())
    for _ in range(10):
        next(work)
    work.close()
    script = [sys.executable, "-c", run_python(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert saved_step(tmp_path) == 22
    words = shlex.split(run_command(tmp_path))
    assert words[:3] == ["diffir", "train", str(tmp_path / "recipe.yaml")]
    assert words[-1] == "--resume"
