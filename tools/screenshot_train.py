"""Take a screenshot of the Train widget while it learns from a pair, `quick`ly.

xvfb-run -a -s "-screen 0 1400x1000x24 +extension GLX" \
        python tools/screenshot_train.py docs/images/train.png [set-up.png]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import napari
from screenshot import wait

_SECONDS = 900
_MEASUREMENTS = 4


def main(path: str, setup_path: str | None = None) -> None:
    """Train on the sample and its reference, and save the window after a while."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 960)
    viewer.open_sample("napari-diffir", "noisy")
    viewer.layers.move(viewer.layers.index("nuclei reference"), 2)
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    viewer.canvas.grid.stride = 1
    viewer.reset_view()
    viewer.dims.set_current_step(0, 8)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Train")
    pairs = widget.form.pairs
    widget.form.kind_box.setCurrentText(pairs.title)
    pairs.noisy_box.setCurrentText("nuclei noisy")
    pairs.clean_box.setCurrentText("nuclei reference")
    widget.form.folder_edit.setText("~/diffir-training/nuclei")
    wait(3000)
    if setup_path:
        viewer.screenshot(setup_path, canvas_only=False)
    with tempfile.TemporaryDirectory() as folder:
        widget.form.folder_edit.setText(str(Path(folder) / "nuclei"))
        widget.start_button.click()
        _wait_for_measurements(widget)
        viewer.screenshot(path, canvas_only=False)
        widget.stop_button.click()
        while widget.state.is_active:
            wait(100)
    viewer.close()


def _wait_for_measurements(widget: object) -> None:
    state = widget.state  # type: ignore[attr-defined]
    deadline = time.monotonic() + _SECONDS
    while len(state.psnrs_db) < _MEASUREMENTS:
        wait(200)
        if state.phase == "failed" or time.monotonic() > deadline:
            sys.exit(f"No {_MEASUREMENTS} measurements: {state.message}")
    wait(1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
