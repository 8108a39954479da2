"""A session as it begins: nothing imported yet, the shipped model, a real window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile
import zarr
from skimage.io import imread

TOOL = Path(__file__).parent.parent.parent / "tools" / "screenshot.py"


def test_the_first_press_of_restore_in_a_new_process(tmp_path: Path) -> None:
    # Here torch is imported by the worker's thread, as it is for a user.
    picture = tmp_path / "window.png"
    command = [sys.executable, str(TOOL), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    window = imread(picture)
    assert window.shape[0] > 600
    assert np.ptp(window[..., :3]) > 200


CLOSED = """
import sys, time
from pathlib import Path
import napari
from qtpy.QtCore import QEventLoop, QTimer

def wait(milliseconds):
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()

stack, result, model = sys.argv[1:]
viewer = napari.Viewer(show=True)
name = "Restore stack to disk"
_, widget = viewer.window.add_plugin_dock_widget("napari-diffir", name)
widget.form.model_box.choose(model)
widget.form.input_box.add_path(Path(stack))
widget.form.output_edit.setText(result)
widget.start_button.click()
deadline = time.monotonic() + 120
while widget.state.planes_done < 3 and time.monotonic() < deadline:
    wait(50)
print(widget.state.planes_done, flush=True)
viewer.close()
"""


def test_napari_is_closed_and_the_shell_completes_the_stack(
    tmp_path: Path, tiny_model: Path
) -> None:
    stack, results = tmp_path / "in.tif", [tmp_path / f"{n}.ome.zarr" for n in "ab"]
    values = np.random.default_rng(0).integers(90, 900, (60, 256, 256), np.uint16)
    tifffile.imwrite(stack, values, imagej=True, metadata={"axes": "ZYX"})
    script = [
        sys.executable,
        "-c",
        CLOSED,
        str(stack),
        str(results[0]),
        str(tiny_model),
    ]
    closed = subprocess.run(script, capture_output=True, text=True, check=False)
    assert closed.returncode == 0, closed.stderr[-2000:]
    assert 3 <= int(closed.stdout) < 60
    assert not results[0].exists()
    shell = [sys.executable, "-m", "diffir_core"]
    known = subprocess.run(
        [*shell, "info", str(results[0])], capture_output=True, text=True, check=True
    )
    assert "unfinished" in known.stdout
    for result, extra in zip(results, (["--resume"], []), strict=True):
        command = [*shell, "restore", str(stack), str(result), *extra]
        command += ["--model", str(tiny_model)]
        subprocess.run(command, capture_output=True, check=True)
    whole, resumed = (zarr.open_array(str(one / "0"))[:] for one in results)
    assert np.array_equal(whole, resumed)


ALL_PANELS = """
import sys, threading
from pathlib import Path

class Refusal:
    # Of PyTorch, so that every panel is as good as the first of a session.
    by_viewer = []
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            thread = threading.current_thread()
            self.by_viewer.append(thread is threading.main_thread())
            raise ImportError("not here")

sys.meta_path.insert(0, Refusal())
import napari
from qtpy.QtCore import QEventLoop, QTimer

def wait_for_import(do):
    asked, loop, timer = len(Refusal.by_viewer), QEventLoop(), QTimer()
    got_further = lambda: len(Refusal.by_viewer) > asked
    timer.timeout.connect(lambda: loop.quit() if got_further() else None)
    timer.start(20)
    QTimer.singleShot(30_000, loop.quit)
    do()
    loop.exec()
    print(do.__name__, Refusal.by_viewer[asked:])

def opened(name):
    return viewer.window.add_plugin_dock_widget("napari-diffir", name)[1]

def restore_to_disk():
    form = opened("Restore stack to disk").form
    form.output_edit.setText(result)  # It is there, and looked at in more ways.

def show_the_card_of_a_model():
    opened("Restore").form.model_box.manage()

def control_the_ipr():
    opened("IPR controls")

def train():
    opened("Train")

stack, result = sys.argv[1:]
viewer = napari.Viewer(show=True)
viewer.open(stack, plugin="napari-diffir")
for do in (restore_to_disk, show_the_card_of_a_model, control_the_ipr, train):
    wait_for_import(do)
viewer.close()
"""


def test_no_panel_imports_pytorch_on_the_thread_of_the_viewer(tmp_path: Path) -> None:
    # It would stand still for seconds.
    stack, result = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    values = np.random.default_rng(0).integers(90, 900, (3, 64, 64), np.uint16)
    for path in (stack, result):
        tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZYX"})
    command = [sys.executable, "-c", ALL_PANELS, str(stack), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = [line for line in done.stdout.splitlines() if "[" in line]
    assert len(told) == 4
    assert all("False" in line and "True" not in line for line in told), told
