"""What lasts, and what must not: pixels, threads, options, runs nobody can see."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from diffir_core.errors import InputError
from diffir_core.options import RestoreOptions
from napari_diffir import _ipr_session
from napari_diffir._filling_layer import FillingLayer
from napari_diffir._ipr_choice import Choice
from napari_diffir._ipr_choosing import Choosing
from napari_diffir._ipr_state import ImageChoice, IPRState
from napari_diffir._layer_text import saved_file
from napari_diffir._opening import open_layer
from napari_diffir._preferences import Preferences
from napari_diffir._stack_inputs import LayerStack, input_of
from napari_diffir._stack_session import current_stack_session
from napari_diffir._worker import new_worker
from napari_diffir.widgets._options_box import OptionsBox

STACK = np.random.default_rng(0).integers(90, 4000, (4, 32, 32)).astype(np.uint16)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    return make_napari_viewer_proxy()


@pytest.fixture
def sessions(qtbot: Any) -> Iterator[None]:
    """Sessions of their own, which leave no workers behind."""
    caches = current_stack_session, _ipr_session.current_session
    for cached in caches:
        cached.cache_clear()
    yield
    current_stack_session().stop()
    _ipr_session.current_session().cancel()
    for cached in caches:
        made: Any = cached()
        qtbot.waitUntil(lambda made=made: not made.is_busy, timeout=60_000)
        cached.cache_clear()


def opened(viewer: Any, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", name)
    return widget


def restored(viewer: Any, qtbot: Any, model: Path, result: Path) -> None:
    """Restore what is in the viewer to disk, and wait until that is done."""
    widget = opened(viewer, "Restore stack to disk")
    widget.form.model_box.add_model(model)
    widget.form.output_edit.setText(str(result))
    widget.start_button.click()
    qtbot.waitUntil(lambda: widget.state.phase == "finished", timeout=60_000)


def write(path: Path) -> Path:
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"})
    return path


def test_a_layer_whose_pixels_were_replaced_is_not_its_file(
    viewer: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.ome.tif")
    (layer,) = viewer.open(str(path), plugin="napari-diffir")
    assert input_of(layer, "ZYX") == path.resolve()
    layer.data = np.asarray(layer.data)[1:3] * 0 + 7
    stack = input_of(layer, "ZYX")
    assert isinstance(stack, LayerStack)
    with pytest.raises(InputError, match="of no file"):
        saved_file(layer)
    assert np.asarray(stack.data).shape == (2, 32, 32)


def test_a_run_whose_result_cannot_be_shown_ends_nevertheless(
    viewer: Any,
    qtbot: Any,
    tmp_path: Path,
    tiny_model: Path,
    sessions: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise IndexError("no such viewer")

    monkeypatch.setattr(FillingLayer, "_show", fail)
    viewer.add_image(STACK, name="cells", axis_labels=("z", "y", "x"))
    result, session = tmp_path / "out.ome.zarr", current_stack_session()
    restored(viewer, qtbot, tiny_model, result)
    assert not session.is_busy
    assert "cannot be shown" in session.state.message
    assert result.exists()


def test_units_that_napari_does_not_know_are_no_obstacle(
    viewer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "u.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", data=STACK)
    axes: list[dict[str, str]] = [{"name": "z", "unit": "slice"}]
    axes += [{"name": name, "unit": "micrometer"} for name in "yx"]
    image = {"axes": axes, "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    (layer,) = viewer.open(str(path), plugin="napari-diffir")
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer", "micrometer"]


def test_a_cancelled_restoration_leaves_no_threads(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    before = set(threading.enumerate())
    stack = np.random.default_rng(0).integers(0, 999, (200, 256, 256), np.uint16)
    viewer.add_image(stack, name="long", axis_labels=("z", "y", "x"))
    widget = opened(viewer, "Restore")
    widget.add_model(tiny_model)
    widget.restore_button.click()
    qtbot.waitUntil(lambda: widget.progress_bar.value() > 0, timeout=60_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: widget._worker is None, timeout=60_000)

    def are_gone() -> bool:
        gc.collect()  # Idle threads end with the pool that they are of.
        new = set(threading.enumerate()) - before
        return not any(t.name.startswith("diffir") for t in new)

    qtbot.waitUntil(are_gone, timeout=10_000)


def test_a_worker_that_is_done_lets_go(viewer: Any, qtbot: Any) -> None:
    class Pixels:
        pass

    pixels = Pixels()
    kept = weakref.ref(pixels)
    worker = new_worker(lambda held: type(held).__name__, pixels)
    with qtbot.waitSignal(worker.finished):
        worker.start()
    del pixels
    gc.collect()
    assert kept() is None


def test_a_stack_that_is_on_the_disk_lets_its_pixels_go(
    viewer: Any, qtbot: Any, tiny_model: Path, tmp_path: Path, sessions: None
) -> None:
    stack = STACK.copy()
    kept = weakref.ref(stack)
    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    restored(viewer, qtbot, tiny_model, tmp_path / "out.ome.zarr")
    viewer.layers.clear()
    del stack

    def are_gone() -> bool:
        gc.collect()
        return kept() is None

    qtbot.waitUntil(are_gone, timeout=10_000)


@pytest.mark.parametrize("use", ["own", "slots"])
def test_ipr_controls_heed_preferences_and_jobs(
    monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    preferred = Preferences(device="cpu", memory="2GB", precision="float32")
    monkeypatch.setattr(
        "napari_diffir._ipr_choosing.preferences", lambda: preferred, raising=True
    )
    model: Any = None
    choosing = Choosing(IPRState(), model, lambda: None)
    options = choosing.state.choice.options(model)
    assert (options.device, options.memory) == ("cpu", "2GB")
    job = RestoreOptions(keep_fine_structure=False, device="cuda:1", seed=5)
    choosing.take(job)
    assert choosing.state.choice.options(model) == job
    choosing.reset()
    assert choosing.state.choice.options(model).keep_fine_structure is False


def test_attention_of_a_stack_needs_its_ipr() -> None:
    job = RestoreOptions(ipr_scope="stack", attention_scope="stack")
    choice = Choice().taking(job)
    model: Any = None
    assert choice.options(model) == job
    assert replace(choice, scope="plane").options(model).attention_scope == "plane"


def test_a_renamed_layer_is_the_same_image() -> None:
    before = ImageChoice("cells", STACK, "ZYX")
    assert ImageChoice("nuclei", STACK, "ZYX").is_same(before)
    assert not ImageChoice("cells", STACK.copy(), "ZYX").is_same(before)


def test_long_works_do_not_end_each_other(viewer: Any, sessions: None) -> None:
    viewer.add_image(STACK, name="cells", axis_labels=("z", "y", "x"))
    widget = opened(viewer, "IPR controls")
    buttons = widget.planes.map_button, widget.spread.measure_button
    assert all(one.isEnabled() for one in buttons)
    widget.state.progress = 0.3
    assert not any(one.isEnabled() for one in buttons)
    widget.state.progress = None
    assert all(one.isEnabled() for one in buttons)


def test_a_viewer_without_images_leaves_the_other_s_alone(
    viewer: Any, make_napari_viewer_proxy: Any, sessions: None
) -> None:
    layer = viewer.add_image(STACK, name="cells", axis_labels=("z", "y", "x"))
    widget = opened(viewer, "IPR controls")
    assert widget.state.image.data is layer.data
    other = make_napari_viewer_proxy()
    opened(other, "IPR controls")
    assert widget.state.image is not None
    viewer.layers.clear()
    assert widget.state.image is None


def test_options_that_have_no_place_in_a_field_stay(qtbot: Any) -> None:
    box = OptionsBox()
    qtbot.addWidget(box)
    asked = RestoreOptions.parse(
        {
            "seed": 2**40,
            "device": "cuda:1",
            "ipr_scope": "region",
            "region": (0, 9, 0, 9),
            "intensity": {"low_percentile": 0.125, "high_percentile": 99.999},
        }
    )
    box.show_options(asked)
    assert box.options == asked
    box.scope_box.setCurrentIndex(box.scope_box.findData("plane"))
    box.seed_box.setValue(7)
    box.high_box.setValue(99.5)
    changed = box.options
    assert (changed.ipr_scope, changed.region, changed.seed) == ("plane", None, 7)
    assert changed.intensity.low_percentile == 0.125
    assert changed.intensity.high_percentile == 99.5
    box.show_options(RestoreOptions())
    assert box.scope_box.findData("region") < 0


@pytest.mark.parametrize("is_file", [True, False])
def test_a_stack_comes_back_where_its_layer_is(
    viewer: Any,
    qtbot: Any,
    tmp_path: Path,
    tiny_model: Path,
    sessions: None,
    is_file: bool,
) -> None:
    if is_file:
        path = write(tmp_path / "in.ome.tif")
        (layer,) = viewer.open(str(path), plugin="napari-diffir")
    else:
        layer = viewer.add_image(STACK, name="cells", axis_labels=("z", "y", "x"))
    layer.scale, layer.units = (1.5, 0.2, 0.2), ("um",) * 3
    layer.translate, layer.rotate = (0, 10, 20), 30
    restored(viewer, qtbot, tiny_model, tmp_path / "out.ome.zarr")
    assert len(viewer.layers) == 2
    result = viewer.layers[1]
    assert np.allclose(result.extent.world, layer.extent.world)
    assert result.units == layer.units
    assert np.allclose(result.affine.affine_matrix, layer.affine.affine_matrix)


def test_a_stack_that_is_done_while_it_is_opened_is_shown(
    viewer: Any,
    qtbot: Any,
    tmp_path: Path,
    tiny_model: Path,
    sessions: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def opened_slowly(path: Path) -> Any:
        if "unfinished" not in str(path):
            return open_layer(path)
        while path.exists():
            time.sleep(0.01)
        raise KeyError("0")  # Zarr says so of an array that was there.

    monkeypatch.setattr("napari_diffir._filling_layer.open_layer", opened_slowly)
    viewer.add_image(STACK, name="cells", axis_labels=("z", "y", "x"))
    restored(viewer, qtbot, tiny_model, tmp_path / "out.ome.zarr")
    assert len(viewer.layers) == 2
    assert np.asarray(viewer.layers[1].data[0]).any()
