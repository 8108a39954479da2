"""Take the README's screenshot: the sample, the widget, noisy | restored | reference.

xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" \
        python tools/screenshot.py docs/images/restore.png
"""

from __future__ import annotations

import sys
import time

import napari
from qtpy.QtWidgets import QApplication

_SECONDS = 180


def main(path: str) -> None:
    """Open a viewer, restore the sample by the widget's button, and save the window."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 820)
    viewer.open_sample("napari-diffir", "noisy")
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    widget.restore_button.click()
    deadline = time.monotonic() + _SECONDS
    while "nuclei noisy restored" not in viewer.layers:
        QApplication.processEvents()
        if time.monotonic() > deadline:
            sys.exit(f"The restoration did not end in {_SECONDS} s.")
    order = ["nuclei reference", "nuclei noisy restored", "nuclei noisy"]
    for position, name in enumerate(order):
        viewer.layers.move(viewer.layers.index(name), position)
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 3)
    viewer.canvas.grid.stride = 1
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    viewer.dims.set_current_step(0, 8)
    for _ in range(60):
        QApplication.processEvents()
        time.sleep(0.02)
    viewer.screenshot(path, canvas_only=False)
    viewer.close()


if __name__ == "__main__":
    main(sys.argv[1])
