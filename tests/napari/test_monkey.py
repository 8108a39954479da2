"""Whatever is clicked: no error, no frozen viewer, no work left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from heartbeat import Heartbeat
from monkey import Monkey
from napari.utils.notifications import NotificationSeverity, notification_manager

from napari_diffir._stack_session import current_stack_session
from napari_diffir._training import current_session

DIALOGS = ("getOpenFileName", "getSaveFileName")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No dialog waits for an answer, and home is elsewhere."""
    for name in DIALOGS:
        monkeypatch.setattr(f"qtpy.QtWidgets.QFileDialog.{name}", lambda *_: ("", ""))
    monkeypatch.setattr(
        "qtpy.QtWidgets.QFileDialog.getExistingDirectory", lambda *_: ""
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("seconds", "seed"),
    [
        (20, 0),
        pytest.param(240, 1, marks=[pytest.mark.slow, pytest.mark.timeout(0)]),
        pytest.param(240, 2, marks=[pytest.mark.slow, pytest.mark.timeout(0)]),
    ],
)
def test_random_use_does_no_harm(
    make_napari_viewer_proxy: Any,
    qtbot: Any,
    quiet: Path,
    tiny_model: Path,
    seconds: float,
    seed: int,
) -> None:
    current_session.cache_clear()
    current_stack_session.cache_clear()
    notification_manager.records.clear()
    viewer = make_napari_viewer_proxy()
    viewer.open_sample("napari-diffir", "noisy")
    monkey, heartbeat = Monkey(viewer, quiet, seed), Heartbeat()
    until = time.monotonic() + seconds
    slowest = (0.0, "")
    while time.monotonic() < until:
        began = time.monotonic()
        monkey.act()
        slowest = max(slowest, (time.monotonic() - began, monkey.done[-1]))
        qtbot.wait(30)
    heartbeat.stop()
    # Shown by pytest -rP.
    print(f"{len(monkey.done)} actions, largest gap {heartbeat.longest:.2f} s")  # noqa: T201
    print(f"slowest action: {slowest}")  # noqa: T201
    assert _unforeseen() == [], monkey.done[-30:]
    assert heartbeat.longest < 5, (heartbeat.longest, monkey.done[-30:])
    for session in (current_session(), current_stack_session()):
        session.stop()
        qtbot.waitUntil(lambda s=session: not s.is_busy, timeout=60_000)
    # What the monkey left unfinished would be offered to the tests that follow.
    current_session.cache_clear()
    current_stack_session.cache_clear()


def _unforeseen() -> list[str]:
    """What was notified with a traceback, or as an error of napari's own."""
    return [
        str(record.message)
        for record in notification_manager.records
        if record.severity is NotificationSeverity.ERROR
        and not str(record.message).startswith("DiffIR:")
    ]
