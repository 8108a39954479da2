"""Take screenshots of Restore stack to disk: half filled, and done in 3-D.

xvfb-run -a -s "-screen 0 1400x1000x24 +extension GLX" \
        python tools/screenshot_stream.py docs/images/stream.png done.png
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import tifffile
from qtpy.QtCore import QEventLoop, QTimer

from diffir_core.samples import sample_path

_SECONDS = 600


def main(half: str, done: str) -> None:
    """Restore the sample with its mirror images, and save the window twice."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 960)
    with tempfile.TemporaryDirectory() as folder:
        stack = Path(folder) / "embryo.ome.tif"
        _write(stack)
        viewer.open(str(stack), plugin="napari-diffir")
        viewer.layers[0].colormap = "gray"
        viewer.dims.set_current_step(0, 8)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-diffir", "Restore stack to disk"
        )
        wait_until(lambda: not widget.look.is_busy)
        widget.start_button.click()
        wait_until(lambda: widget.state.fraction > 0.5)
        viewer.canvas.grid.enabled = True
        viewer.reset_view()
        wait(500)
        viewer.screenshot(half, canvas_only=False)
        wait_until(lambda: not widget.state.is_active)
        viewer.canvas.grid.enabled = False
        viewer.layers[0].visible = False
        viewer.dims.ndisplay = 3
        viewer.reset_view()
        viewer.scene.camera.angles = (15, 25, 150)
        wait(1500)
        wait_until(lambda: not widget.look.is_busy)
        viewer.screenshot(done, canvas_only=False)
        viewer.close()


def _write(path: Path) -> None:
    """Write the sample with its mirror images, which have no seams."""
    sample = tifffile.imread(sample_path("noisy"))
    wide = np.concatenate([sample, sample[..., ::-1], sample], axis=2)
    whole = np.concatenate([wide, wide[:, ::-1], wide], axis=1)
    size = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.5}
    metadata = {"axes": "ZYX", **size}
    tifffile.imwrite(path, whole, ome=True, metadata=metadata)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Let the event loop run until something is so."""
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        wait(100)
        if time.monotonic() > deadline:
            sys.exit(f"It did not come to that in {_SECONDS} s.")


def wait(milliseconds: int) -> None:
    """Let the event loop run; `processEvents` loses a reference at each call."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main(*sys.argv[1:])
