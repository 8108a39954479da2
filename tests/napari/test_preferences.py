"""Preferences and models: what a user sets once, and what is at hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_plugin_settings

from diffir_core.models import shipped_models
from napari_diffir._own_models import add_model, card_text
from napari_diffir._preferences import Preferences, preferences
from napari_diffir._stack_session import current_stack_session
from napari_diffir.widgets._model_box import ModelBox
from napari_diffir.widgets._model_manager import ModelManager
from napari_diffir.widgets.restore import RestoreWidget


@pytest.fixture
def settings(plugin_settings: Any, npe2pm: Any, tmp_path: Path) -> Any:
    from npe2 import PluginManifest

    if "napari-diffir" not in npe2pm:
        npe2pm.register(PluginManifest.from_distribution("napari-diffir"))
    current_stack_session.cache_clear()  # A run not completed would come before them.
    found = get_plugin_settings("napari-diffir")
    found.folders.models = str(tmp_path / "models")
    return found


def test_preferences_are_the_defaults_of_widgets(
    settings: Any, make_napari_viewer_proxy: Any, tmp_path: Path
) -> None:
    assert preferences().options.device == "auto"
    settings.restoring.device = "cpu"
    settings.restoring.memory = "2GB"
    settings.folders.outputs = str(tmp_path)
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((3, 16, 16), np.uint8), name="cells")
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-diffir", "Restore stack to disk"
    )
    assert widget.form.options_box.options.device == "cpu"
    assert widget.form.options_box.options.memory == "2GB"
    assert widget.form.destination == tmp_path / "cells restored.ome.zarr"


def test_changed_preferences_come_before_what_was_chosen(
    settings: Any, make_napari_viewer_proxy: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer_proxy()
    chosen = RestoreWidget(viewer)
    qtbot.addWidget(chosen)
    chosen.form.options_box.memory_edit.setText("3GB")
    chosen.close()
    settings.restoring.memory = "2GB"
    opened = RestoreWidget(viewer)
    qtbot.addWidget(opened)
    assert opened.form.options.memory == "2GB"


def test_a_memory_that_is_no_size_is_left_out() -> None:
    assert Preferences(memory="much").options.memory is None
    assert Preferences(memory="3GB").options.memory == "3GB"


@pytest.mark.parametrize("folder", ["~nosuchuser/x", "/tmp/" + 300 * "a"])
def test_a_folder_that_names_no_place_is_left_out(folder: str, qtbot: Any) -> None:
    wrong = Preferences(model_folder=folder, output_folder=folder)
    assert wrong.models == Preferences().models
    assert wrong.outputs == Preferences().outputs == Path.home()


def wait_for_card(qtbot: Any, manager: ModelManager, words: str) -> None:
    qtbot.waitUntil(lambda: words in manager.card.toPlainText(), timeout=60_000)


def wait_for_message(qtbot: Any, manager: ModelManager, words: str) -> None:
    qtbot.waitUntil(lambda: words in manager.message.text(), timeout=60_000)


def test_models_are_added_to_the_users_folder_and_offered(
    settings: Any, qtbot: Any, tiny_model: Path, tmp_path: Path
) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    box.manage()
    manager = box.manager
    assert manager is not None
    shipped = next(iter(shipped_models()))
    assert manager.chosen == box.chosen == shipped
    wait_for_card(qtbot, manager, "Trained on")

    manager.add(tiny_model)
    kept = tmp_path / "models" / tiny_model.name
    # A worker does it: large files take seconds.
    assert manager.message.text() == f"Adding {tiny_model.name}…"
    wait_for_message(qtbot, manager, f"Added {tiny_model.name}.")
    assert kept.read_bytes() == tiny_model.read_bytes()
    assert manager.chosen == str(kept)
    wait_for_card(qtbot, manager, "has no card")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"nothing")
    other = shutil.copy(tiny_model, tmp_path / "other.safetensors")
    manager.add(tiny_model, broken)
    manager.add(other)
    wait_for_message(qtbot, manager, "Added other.safetensors.")
    first, second, _ = manager.message.text().splitlines()
    assert "already there" in first
    assert "broken.pth" in second
    assert not (tmp_path / "models" / "broken.safetensors").exists()

    manager.choose(str(kept))
    manager.use()
    assert box.chosen == str(kept)
    fresh = ModelBox()
    qtbot.addWidget(fresh)
    assert fresh.findData(str(kept)) >= 0
    assert fresh.chosen == shipped


def test_pressing_an_entry_that_is_no_model_keeps_the_choice(
    settings: Any, qtbot: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = ModelBox()
    qtbot.addWidget(box)
    box.add_model(tiny_model)
    monkeypatch.setattr(
        "napari_diffir.widgets._model_box.QFileDialog.getOpenFileName",
        lambda *_: ("", ""),
    )
    index = box.findText("From a file…")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    assert box.chosen == str(tiny_model)
    assert box.currentData() == str(tiny_model)


def test_official_files_are_converted(tmp_path: Path, tiny_model: Path) -> None:
    import torch

    from diffir_core.checkpoint import load_model

    network = load_model(tiny_model).network
    official = tmp_path / "official.pth"
    torch.save({"params_ema": network.state_dict()}, official)
    path = add_model(official, tmp_path / "own")
    assert load_model(path).fingerprint == load_model(official).fingerprint
    shutil.rmtree(tmp_path / "own")
    assert "neither a file" in card_text(str(path))
