"""What all panels have in common, in a real viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monkey import WIDGETS
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QScrollArea,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_diffir._filling_layer import UNFINISHED_KEY
from napari_diffir._ipr_session import current_session as current_ipr_session
from napari_diffir._stack_session import current_stack_session
from napari_diffir._training import current_session as current_training_session

TURNED = (QComboBox, QSpinBox, QDoubleSpinBox, QSlider)


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    for session in (
        current_ipr_session,
        current_stack_session,
        current_training_session,
    ):
        session.cache_clear()
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.zeros((6, 64, 64), np.uint16), name="cells")
    return viewer


def open_panel(viewer: Any, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", name)
    return widget


def turn_wheel(over: QWidget, notches: int = -1) -> bool:
    """Turn it over a widget, shown or not; tell whether that is content with it."""
    event = QWheelEvent(
        QPointF(over.rect().center()),
        QPointF(over.mapToGlobal(over.rect().center())),
        QPoint(0, 0),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(over, event)
    return bool(event.isAccepted())


def turn_real_wheel(over: QWidget, notches: int) -> None:
    """Turn it as the window system does: Qt hands on only such events to parents."""
    window = over.window()
    place = over.mapTo(window, over.rect().center())
    QTest.wheelEvent(window.windowHandle(), QPointF(place), QPoint(0, 120 * notches))


def lists_of_layers(viewer: Any) -> dict[str, QComboBox]:
    train = open_panel(viewer, "Train").form
    return {
        "Restore": open_panel(viewer, "Restore").form.layer_box,
        "Restore stack to disk": open_panel(
            viewer, "Restore stack to disk"
        ).form.input_box,
        "Clean": train.clean.source_box,
        "Noisy": train.pairs.noisy_box,
        "Frames": train.frames.frames_box,
    }


def controls(widget: QWidget) -> list[Any]:
    return [one for kind in TURNED for one in widget.findChildren(kind)]


def state_of(control: Any) -> int | float:
    is_list = isinstance(control, QComboBox)
    return control.currentIndex() if is_list else control.value()


@pytest.mark.parametrize("name", WIDGETS)
def test_the_wheel_over_a_panel_changes_nothing(
    viewer: Any, qtbot: Any, name: str
) -> None:
    panel = open_panel(viewer, name)
    found = controls(panel)
    assert found
    for control in found:
        assert control.focusPolicy() == Qt.FocusPolicy.StrongFocus
        before = state_of(control)
        for notches in (-1, -1, -1, 1):
            assert not turn_wheel(control, notches)
        assert state_of(control) == before, control.toolTip()


def test_the_wheel_goes_on_to_what_scrolls(viewer: Any, qtbot: Any) -> None:
    panel = open_panel(viewer, "Restore")
    viewer.window.resize(900, 350)
    area = panel.findChild(QScrollArea)
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 20, timeout=5000)
    qtbot.wait(200)  # Until all is laid out.
    for control in controls(panel):
        bar.setValue(0)
        area.ensureWidgetVisible(control)
        before = bar.value()
        turn_real_wheel(control, -1 if before < bar.maximum() else 1)
        assert bar.value() != before, control.toolTip()


def test_a_number_that_one_works_with_is_turned(viewer: Any, qtbot: Any) -> None:
    box = open_panel(viewer, "Restore").form.options_box.seed_box
    box.window().activateWindow()
    box.setFocus()
    qtbot.waitUntil(box.hasFocus, timeout=5000)
    turn_real_wheel(box, 1)
    assert box.value() == 1


def test_the_wheel_opens_no_file_dialog_over_a_list_that_was_used(
    viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        "napari_diffir.widgets._model_box.QFileDialog.getOpenFileName",
        lambda *what: (asked.append(what), ("", ""))[1],
    )
    box = open_panel(viewer, "Restore").form.model_box
    box.window().activateWindow()
    box.setFocus()
    qtbot.waitUntil(box.hasFocus, timeout=5000)
    before = box.chosen
    for _ in range(box.count()):
        turn_real_wheel(box, -1)
    assert box.chosen == before
    assert not asked


def test_what_the_ipr_controls_draw_is_no_input(
    viewer: Any, qtbot: Any, tiny_model: Path
) -> None:
    ipr = open_panel(viewer, "IPR controls")
    ipr.add_model(tiny_model)
    ipr.look.live_check.click()
    qtbot.waitUntil(lambda: "DiffIR preview" in viewer.layers, timeout=30_000)
    viewer.layers.selection.active = viewer.layers["DiffIR preview"]
    for name, box in lists_of_layers(viewer).items():
        assert box.findText("DiffIR preview") < 0, name
        assert box.currentText() == "cells", name
    ipr.look.live_check.click()
    session = current_ipr_session()
    session.cancel()
    qtbot.waitUntil(lambda: not session.is_busy, timeout=30_000)


def test_an_unfinished_output_is_an_input_once_it_is_finished(viewer: Any) -> None:
    metadata = {UNFINISHED_KEY: "/somewhere/output.ome.zarr"}
    filling = viewer.add_image(
        np.zeros((6, 64, 64), np.uint16), name="filling", metadata=metadata
    )
    lists = lists_of_layers(viewer)
    for name, box in lists.items():
        assert box.findText("filling") < 0, name
        assert box.currentText() == "cells", name
    filling.metadata = {"diffir_file": "/somewhere/output.ome.zarr"}
    for name, box in lists.items():
        assert box.findText("filling") >= 0, name
        assert box.currentText() == "cells", name
