"""Take a screenshot of the IPR controls at work on a sample, in the swipe view.

xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" \
        python tools/screenshot_ipr.py docs/images/ipr.png [TAB [VIEW]]
"""

from __future__ import annotations

import sys
import time

import napari
from screenshot import wait

_SECONDS = 300
_TABS = {"steer": 0, "slots": 1, "planes": 2, "spread": 3}


def main(path: str, tab: str = "planes", view: str = "swipe") -> None:
    """Map the planes of the sample, preview one, and save the window."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1380, 880)
    viewer.open_sample("napari-diffir", "noisy")
    viewer.layers.remove("nuclei reference")
    viewer.dims.set_current_step(0, 8)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diffir", "IPR controls")
    wait(1000)
    widget.planes.map_button.click()
    _wait_until(lambda: widget.state.plane_map is not None)
    widget.state.view = view
    widget.look.live_check.click()
    _wait_until(lambda: getattr(widget.state.preview, "exactness", "") == "exact")
    if tab == "spread":
        widget.spread.measure_button.click()
        _wait_until(lambda: widget.state.spread is not None)
    if tab == "slots":
        widget.slots.keep_a_button.click()
        viewer.dims.set_current_step(0, 2)
        wait(4000)
        widget.slots.keep_b_button.click()
    widget.tabs.setCurrentIndex(_TABS[tab])
    viewer.canvas.overlays.scale_bar.visible = True
    wait(2000)
    viewer.screenshot(path, canvas_only=False)
    viewer.close()


def _wait_until(is_there: object) -> None:
    deadline = time.monotonic() + _SECONDS
    while not is_there():  # type: ignore[operator]
        wait(100)
        if time.monotonic() > deadline:
            sys.exit(f"Nothing came in {_SECONDS} s.")


if __name__ == "__main__":
    main(*sys.argv[1:])
