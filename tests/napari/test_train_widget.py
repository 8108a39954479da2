"""Training in napari: the rules without Qt, then the widget in a real viewer."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from diffir_training import images as training_images
from diffir_training.degradations import CameraNoise
from diffir_training.recipe import Recipe
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from diffir_core.checkpoint import load_model
from diffir_core.errors import InputError
from diffir_core.nn import DiffIRS2
from diffir_core.stacks.source import open_source
from napari_diffir._camera import CameraChoice, clean_crop, degraded_picture
from napari_diffir._presets import (
    MODEL_SIZES,
    PRESETS,
    CleanImages,
    file_recipe,
    preset_recipe,
)
from napari_diffir._run_folder import (
    LayerImage,
    extended,
    first_image,
    history,
    new_folder,
    write_images,
)
from napari_diffir._run_warnings import warning
from napari_diffir._scripting import Failure
from napari_diffir._training import TrainingSession, TrainingState, current_session
from napari_diffir._training_steps import (
    Job,
    Pace,
    RunControl,
    Stopped,
    training_steps,
)

TINY = dict(
    in_channels=1,
    out_channels=1,
    dim=8,
    num_blocks=(1, 1, 1, 1),
    num_refinement_blocks=1,
    n_encoder_res=0,
    cpen_features=8,
)


def blobs(planes: int = 4, size: int = 72) -> NDArray[np.uint16]:
    """A stack of smooth structures."""
    z, y, x = np.mgrid[:planes, :size, :size]
    return (1000 + 800 * np.sin(y / (4 + z)) * np.cos(x / 5)).astype(np.uint16)


def tiny_recipe(run: Path, steps: tuple[int, int, int] = (6, 4, 12)) -> Recipe:
    """What a preset does, at the size of a test."""
    images = CleanImages(LayerImage(blobs(), "ZYX"))
    kinds = ("ground_truth", "estimation", "joint")
    return Recipe.parse(
        dict(
            name="tiny",
            model=TINY,
            stages=[
                dict(kind=kind, steps=count, patch_size=32, batch=2)
                for kind, count in zip(kinds, steps, strict=True)
            ],
            log_steps=2,
            checkpoint_steps=1000,
            validation=dict(steps=4, patches=2, patch_size=32),
            **images.prepare(run),
        )
    )


# Without Qt


@pytest.mark.parametrize(
    ("losses", "psnrs", "word"),
    [
        ([], [], ""),
        ([1.0, 0.9, 0.8, 0.85], [20, 21, 22, 21.6], ""),
        ([1.0, 0.2, 0.59], [], ""),
        ([1.0, 0.2, 0.61], [], "diverges"),
        ([1.0, math.nan], [], "diverges"),
        ([1.0, 0.8, 0.6, 0.5, 0.4, 0.3], [20, 22, 22, 21.4], "by heart"),
        ([0.4, 0.4, 0.4, 0.5, 0.6, 0.6], [20, 22, 22, 21.4], ""),
    ],
)
def test_warnings(losses: list[float], psnrs: list[float], word: str) -> None:
    sentence = warning(tuple(enumerate(losses)), tuple(enumerate(psnrs)))
    assert word in sentence
    assert bool(word) == bool(sentence)


def test_a_new_stage_with_another_loss_is_no_divergence() -> None:
    state = TrainingState(losses=((10, 0.01), (20, 0.01), (30, 0.4)), stage_start=20)
    assert state.warning == ""
    state.stage_start = 0
    assert "diverges" in state.warning


def test_state_tells_its_observers() -> None:
    state, heard = TrainingState(), list[Any]()
    state.events.phase.connect(heard.append)
    state.events.losses.connect(heard.append)
    state.phase = "running"
    state.losses = extended(((1, 0.5), (2, 0.4), (3, 0.3)), 2, 0.25)
    state.phase = "running"
    assert heard == ["running", ((1, 0.5), (2, 0.25))]


def test_the_singletons_outlive_the_losses_of_pyside() -> None:
    from napari_diffir._pyside import spare_references

    if spare_references():
        assert spare_references()  # Not twice.
        counts = [sys.getrefcount(value) for value in (None, True, False)]
        assert all(1 << 28 < count < 1 << 30 for count in counts)


def test_pace_leaves_other_stages_out() -> None:
    pace = Pace()
    assert pace.seconds_left(10) is None
    pace.add("ground_truth", 100.0, 1)
    pace.add("joint", 4.0, 1)
    pace.add("joint", 2.0, 1)
    assert pace.seconds_left(10) == pytest.approx(30.0)


@pytest.mark.parametrize("size", MODEL_SIZES)
def test_model_sizes_say_their_cost(tmp_path: Path, size: str) -> None:
    images = CleanImages(LayerImage(blobs(), "ZYX"))
    recipe = preset_recipe(tmp_path, preset="quick", size=size, images=images)
    parameters = DiffIRS2(recipe.model).parameters()
    assert sum(p.numel() for p in parameters) == MODEL_SIZES[size].parameters


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_recipes_for_one_channel(tmp_path: Path, preset: str) -> None:
    camera = CameraChoice(photons=30, read_noise=2, offset=0.1)
    images = CleanImages(LayerImage(blobs(), "ZYX"), camera)
    recipe = preset_recipe(tmp_path, preset=preset, size="small", images=images)
    assert [stage.kind for stage in recipe.stages][-1] == "joint"
    assert recipe.model.in_channels == 1
    assert recipe.noise.photons == (10.0, 90.0)
    assert Recipe.from_yaml(_saved(recipe, tmp_path / "r.yaml")) == recipe
    (_, planes), *_ = training_images.open_clean(recipe.data.images, recipe.data.folder)
    assert len(planes) == 4


def _saved(recipe: Recipe, path: Path) -> Path:
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    return path


def test_published_schedule_adds_up() -> None:
    steps = {"ground_truth": 0, "estimation": 0, "joint": 0}
    for stage in PRESETS["paper"].stages:
        steps[stage["kind"]] += stage["steps"]
    assert steps == {"ground_truth": 300_000, "estimation": 100_000, "joint": 300_000}


def test_layers_are_written_with_axes_and_planes_last(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    write_images(
        tmp_path,
        {
            "clean": LayerImage(blobs().transpose(1, 0, 2), "YZX"),
            "colour": LayerImage(rgb, "YXS"),
        },
    )
    source = open_source(tmp_path / "images" / "clean.tif")
    assert source.metadata.axes == "ZYX"
    source.close()
    assert np.array_equal(tifffile.imread(tmp_path / "images/clean.tif"), blobs())
    colour = tifffile.imread(tmp_path / "images" / "colour.tif")
    assert np.array_equal(colour, np.moveaxis(rgb, -1, 0))


def test_a_single_plane_is_cut_so_that_some_is_held_back(tmp_path: Path) -> None:
    plane = blobs(1, 80)[0].astype(np.float64)
    write_images(tmp_path, {"clean": LayerImage(plane, "YX")})
    images = training_images.CleanImages.parse(
        dict(sources=[dict(pattern="clean*.tif")])
    )
    ((_, planes),) = training_images.open_clean(images, tmp_path / "images")
    assert [plane.shape for plane in planes] == [(1, 60, 80), (1, 20, 80)]


def test_images_that_cannot_train_are_explained(tmp_path: Path) -> None:
    holes = np.full((32, 32), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN"):
        write_images(tmp_path, {"clean": LayerImage(holes, "YX")})
    with pytest.raises(InputError, match="no image"):
        CleanImages(tmp_path).prepare(tmp_path / "run")


def test_folders_are_used_where_they_are(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", blobs(), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.TIFF", blobs(1)[0])
    sections = CleanImages(tmp_path).prepare(tmp_path / "run-1")
    assert [s["pattern"] for s in sections["data"]["sources"]] == ["*.TIFF", "*.tif"]
    assert not (tmp_path / "run-1").exists()
    assert first_image(tmp_path).data.ndim == 2
    assert new_folder(tmp_path) == tmp_path / "run-1"


def test_recipe_files_find_their_images(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path / "run")
    moved = recipe.replace(data=recipe.data.replace(folder=Path("run/images")))
    path = _saved(moved, tmp_path / "recipe.yaml")
    assert file_recipe(tmp_path, path=path).data.folder == recipe.data.folder


def test_the_picture_shows_the_noise_of_the_sliders() -> None:
    # Dim flat light, which nothing clips; the signal of clean = 1 has 1.1 * 40 photons.
    dim, photons, read, offset = 0.3, 40, 3, 0.1
    choice = CameraChoice(photons, read, offset)
    picture = degraded_picture(np.full((256, 256), dim, np.float32), choice)
    # In photons, the variance is that of Poisson light plus that of the electronics.
    spread = math.sqrt(photons * (dim + 0.1) + read**2) / (photons * 1.1)
    level = (dim + 0.1) / 1.1
    white = offset + 1.2 * 0.6
    # 65536 samples know the deviation to 0.3 %; truncated to 8 bits, half a unit less.
    assert picture.std() == pytest.approx(spread * 0.6 / white * 255, rel=0.02)
    mean = (offset + level * 0.6) / white * 255 - 0.5
    assert picture.mean() == pytest.approx(mean, abs=0.5)


def test_the_ranges_hold_the_chosen_camera() -> None:
    choice = CameraChoice(photons=7, read_noise=2.5, offset=0.2)
    noise = CameraNoise(**choice.ranges())
    for (low, high), value in (
        (noise.photons, 7),
        (noise.read_noise, 2.5),
        (noise.black_level, 0.2),
    ):
        assert low <= value <= high


def test_crops_come_from_the_middle_in_model_units() -> None:
    stack = np.zeros((3, 300, 280), np.uint16)
    stack[1] = blobs(1, 300)[0][:, :280]
    crop = clean_crop(LayerImage(stack, "ZYX"))
    assert crop.shape == (256, 256)
    assert np.percentile(crop, 99.8) == pytest.approx(1.0, abs=0.01)
    assert clean_crop(LayerImage(stack[1].T, "XY")).shape == (256, 256)


def test_stopping_and_closing_keep_a_checkpoint_and_errors_are_values(
    tmp_path: Path,
) -> None:
    control = RunControl()
    work = training_steps(Job(tmp_path, tiny_recipe), control)
    for _ in range(4):
        next(work)
    control.stopped.set()
    assert _outcome(work) == Stopped(_step(tmp_path))
    again = training_steps(Job(tmp_path, tiny_recipe), RunControl())
    failure = _outcome(again)
    assert isinstance(failure, Failure)
    assert "press Resume" in str(failure.error)
    before = _step(tmp_path)
    resumed = training_steps(Job(tmp_path, tiny_recipe, is_resumed=True), RunControl())
    for _ in range(4):
        next(resumed)
    resumed.close()
    assert _step(tmp_path) > before


def _outcome(work: Any) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _step(run: Path) -> int:
    import torch

    step: int = torch.load(run / "state.pt", weights_only=True)["step"]
    return step


# With Qt, in a real viewer


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture
def session(qtbot: Any) -> Iterator[TrainingSession]:
    current_session.cache_clear()
    yield current_session()
    current_session().stop()
    qtbot.waitUntil(lambda: not current_session().is_busy, timeout=20_000)
    current_session.cache_clear()


def open_widget(viewer: Any, folder: Path | None = None) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Train")
    if folder is not None:
        widget.form.folder_edit.setText(str(folder))
    return widget


def long_recipe(run: Path) -> Recipe:
    return tiny_recipe(run, (40, 6, 20))


class Heartbeat:
    """Measures the longest time in which the viewer did not answer."""

    def __init__(self) -> None:
        self.longest, self.beats, self._last = 0.0, 0, time.monotonic()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(10)

    def _beat(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self.beats, self._last = self.beats + 1, now

    def stop(self) -> None:
        self._timer.stop()


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
    qtbot.waitUntil(lambda: len(session.state.losses) > 2, timeout=20_000)
    beat, told = Heartbeat(), len(session.state.losses)
    qtbot.waitUntil(lambda: len(session.state.losses) > told + 4, timeout=20_000)
    beat.stop()
    assert len(session.state.psnrs_db) > 1
    assert beat.beats > 5
    assert beat.longest < 1.0
    assert len(widget.view.loss_curve.getData()[0]) > 2
    assert not widget.start_button.isEnabled()

    widget.close()
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    stopped_at = _step(run)
    assert session.state.phase == "stopped"
    assert 0 < stopped_at == session.state.step < 66
    viewer.window.remove_dock_widget(widget.parent())

    widget = open_widget(viewer)
    assert widget.form.folder == run
    assert f"Stopped after {stopped_at} steps" in widget.status.text()
    assert len(widget.view.loss_curve.getData()[0]) > 2
    widget.resume_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "finished", timeout=20_000)
    steps = [step for step, _ in session.state.losses]
    assert steps[-1] == 66
    assert steps == sorted(set(steps))
    assert widget.progress_bar.value() == 66
    assert history(run).losses[-1][0] == 66

    widget.use_button.click()
    _, restore = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    assert restore.model_box.currentData() == str(run / "stage2.safetensors")
    restore.layer_box.setCurrentText(layer.name)
    with qtbot.waitSignal(viewer.layers.events.inserted, timeout=20_000):
        restore.restore_button.click()
    qtbot.waitUntil(restore.restore_button.isEnabled, timeout=10_000)
    assert viewer.layers["clean restored"].data.shape == layer.data.shape


def test_pause_waits_and_two_widgets_show_one_run(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    from napari_diffir.widgets.train import TrainWidget

    viewer.add_image(blobs(), name="clean")
    first, second = open_widget(viewer, tmp_path), TrainWidget(viewer)
    qtbot.addWidget(second)
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: len(session.state.losses) > 0, timeout=20_000)
    first.pause_button.click()
    assert second.resume_button.isEnabled()
    qtbot.wait(300)
    step = session.state.step
    qtbot.wait(500)
    assert session.state.step == step
    second.resume_button.click()
    qtbot.waitUntil(lambda: session.state.step > step, timeout=20_000)
    second.close()
    qtbot.wait(200)
    assert session.state.phase == "running"
    first.pause_button.click()
    first.stop_button.click()  # A paused run can be stopped, too.
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=20_000)
    assert first.resume_button.isEnabled()
    assert not first.start_button.isEnabled()
    assert (tmp_path / "state.pt").exists()


def test_the_cross_of_the_panel_stops_the_run(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    dock, _ = viewer.window.add_plugin_dock_widget("napari-diffir", "Train")
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: session.state.step > 2, timeout=20_000)
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=20_000)
    assert _step(tmp_path) == session.state.step


def test_napari_quitting_its_workers_keeps_a_checkpoint(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    open_widget(viewer)
    session.start(tmp_path, long_recipe)
    qtbot.waitUntil(lambda: session.state.step > 2, timeout=20_000)
    session._worker.quit()
    qtbot.waitUntil(lambda: session.state.phase == "stopped", timeout=20_000)
    assert _step(tmp_path) >= session.state.step


def test_a_failure_is_one_sentence_in_the_widget(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any, monkeypatch: Any
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("napari_diffir.widgets.train.show_error", shown.append)
    image = np.full((32, 32), np.nan, np.float32)
    viewer.add_image(image, name="holes", contrast_limits=(0, 1))
    widget = open_widget(viewer, tmp_path / "run")
    widget.start_button.click()
    qtbot.waitUntil(lambda: session.state.phase == "failed", timeout=20_000)
    assert "NaN" in widget.status.text()
    assert len(shown) == 1
    assert widget.start_button.isEnabled()


def test_choices_are_what_is_trained(
    viewer: Any, qtbot: Any, tmp_path: Path, session: Any
) -> None:
    widget = open_widget(viewer, tmp_path / "run")
    assert not widget.start_button.isEnabled()
    viewer.add_image(blobs(), name="clean")
    assert widget.start_button.isEnabled()
    qtbot.waitUntil(lambda: not widget.form.picture.pixmap().isNull(), timeout=10_000)
    before = widget.form.picture.pixmap().toImage()
    widget.form.photons.set_nearest(10)
    assert widget.form.picture.pixmap().toImage() != before
    widget.form.size_box.setCurrentIndex(1)
    recipe = widget.form.make_recipe()(tmp_path / "run")
    assert recipe.model.dim == 24
    assert recipe.noise.photons == pytest.approx((10 / 3, 30))
    widget.form.add_recipe(_saved(recipe, tmp_path / "own.yaml"))
    assert not widget.form.size_box.isEnabled()
    assert widget.form.make_recipe()(tmp_path / "other") == recipe


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
    qtbot.waitUntil(lambda: session.state.phase == "finished", timeout=20_000)
    assert session.state.step == 22
    assert isinstance(load_model(tmp_path / "stage2.safetensors").network, DiffIRS2)
