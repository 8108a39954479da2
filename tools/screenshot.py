"""Take the README's screenshot: the sample, the widget, noisy | restored | reference.

xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" \
        python tools/screenshot.py docs/images/restore.png
"""

from __future__ import annotations

import sys
import time

import napari
from qtpy.QtCore import QEventLoop, QTimer

import napari_diffir.widgets.restore as restore_module

_SECONDS = 300


def main(path: str) -> None:
    """Open a viewer, restore the sample by the widget's button, and save the window."""
    restore_module.show_info = lambda _: None  # It would stand in the picture.
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 820)
    viewer.open_sample("napari-diffir", "noisy")
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "Restore")
    widget.restore_button.click()
    deadline = time.monotonic() + _SECONDS
    while "nuclei noisy restored" not in viewer.layers:
        wait(200)
        if time.monotonic() > deadline:
            sys.exit(f"The restoration did not end in {_SECONDS} s.")
    order = ["nuclei noisy", "nuclei noisy restored", "nuclei reference"]
    for position, name in enumerate(order):
        viewer.layers.move(viewer.layers.index(name), position)
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 3)
    viewer.canvas.grid.stride = 1
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    viewer.dims.set_current_step(0, 8)
    wait(2000)
    viewer.screenshot(path, canvas_only=False)
    viewer.close()


def wait(milliseconds: int) -> None:
    """Let the event loop run; `processEvents` loses a reference at each call."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main(sys.argv[1])
